"""One round of each fault: what must come of it does, and nothing is lost.

`make bench ONLY=failover` does as many rounds as are asked for, and measures.
"""

import pytest

from demo.release import Images
from e2e.rounds import must_end_as_expected, must_lose_rows
from faults import clocks
from faults.fault import Fault
from faults.stage import Stage, set_up
from faults.table import FAULTS
from faults.variants import ASYNCHRONOUS, CLOCK_FAULTS

NAMESPACE = "e2e-faults"


@pytest.fixture(scope="module")
def stage(namespace: str, images: Images) -> Stage:
    return set_up(namespace, images.flights)


@pytest.fixture(scope="module")
def stage_with_clocks(stage: Stage) -> Stage:
    """Made ready last: both members are restarted for it."""
    stage.set_durability("synchronous")
    clocks.prepare(stage)
    return stage


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_ends_as_it_must_and_nothing_is_lost(stage: Stage, fault: Fault) -> None:
    must_end_as_expected(stage, fault)


def test_control_without_a_synchronous_standby_rows_are_lost_and_it_is_said(stage: Stage) -> None:
    stage.set_durability(ASYNCHRONOUS.durability)
    must_lose_rows(stage, ASYNCHRONOUS, is_synchronous=False)


@pytest.mark.parametrize("fault", CLOCK_FAULTS, ids=lambda fault: fault.name)
def test_a_clock_that_jumps_by_an_hour_costs_nothing(stage_with_clocks: Stage, fault: Fault) -> None:
    must_end_as_expected(stage_with_clocks, fault)
