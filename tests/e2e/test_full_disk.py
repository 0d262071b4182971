"""A primary whose disk is full to the last byte: the standby leads, and nothing acknowledged is lost."""

from collections.abc import Iterator

import pytest

from demo.cluster import delete_namespace
from demo.release import Images
from e2e.rounds import must_end_as_expected
from faults.stage import Stage
from faults.variants import DISK_FULL, stage_on_small_disks

NAMESPACE = "e2e-disk"


@pytest.fixture(scope="module")
def stage(namespace: str, images: Images) -> Iterator[Stage]:
    with stage_on_small_disks(namespace, images.flights) as stage:
        yield stage
        delete_namespace(namespace)


def test_the_standby_of_a_primary_without_a_byte_left_leads(stage: Stage) -> None:
    must_end_as_expected(stage, DISK_FULL)
