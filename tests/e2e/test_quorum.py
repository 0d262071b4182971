"""A lead that is ended early while another standby goes on to confirm: harmless where one standby is named, and rows are lost
under quorum commit. That is why the agent refuses the latter.
"""

import pytest

from demo.release import Images
from e2e.rounds import must_end_as_expected, must_lose_rows
from faults import quorum
from faults.stage import Stage, set_up

NAMESPACE = "e2e-quorum"


@pytest.fixture(scope="module")
def stage(namespace: str, images: Images) -> Stage:
    return set_up(namespace, images.flights, membersPerShard=quorum.MEMBERS)


def test_the_one_standby_that_is_named_has_every_acknowledged_row(stage: Stage) -> None:
    must_end_as_expected(stage, quorum.GUARDED)


def test_control_under_quorum_commit_rows_are_lost(stage: Stage) -> None:
    with quorum.quorum_commit(stage):
        must_lose_rows(stage, quorum.CONTROL)
