"""One round of each fault for which twelve minutes are enough: what must come of it does, and nothing is lost.

`make bench ONLY=failover` does all of them, as many rounds as are asked for, and measures.
"""

import pytest

from demo.release import Images
from faults.checker import Kind
from faults.rounds import do_round
from faults.stage import Stage, set_up
from faults.table import FAULTS, Expected, Fault
from faults.variants import ASYNCHRONOUS

NAMESPACE = "e2e-faults"


@pytest.fixture(scope="module")
def stage(namespace: str, images: Images) -> Stage:
    return set_up(namespace, images.flights)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.is_short], ids=lambda fault: fault.name)
def test_ends_as_it_must_and_nothing_is_lost(stage: Stage, fault: Fault) -> None:
    stage.set_durability(fault.durability)
    done = do_round(stage, fault)
    assert done.findings == ()
    assert (done.fault, done.came) == (fault.name, fault.expected), f"{done}\n{stage.members_log()}"
    assert done.acknowledged > 0
    if fault.name == "switchover":
        assert (done.failed, done.unknown) == (0, 0)


def test_control_without_a_synchronous_standby_rows_are_lost_and_it_is_said(stage: Stage) -> None:
    stage.set_durability(ASYNCHRONOUS.durability)
    done = do_round(stage, ASYNCHRONOUS, is_synchronous=False)
    assert done.came is Expected.MOVES
    assert Kind.LOST in {finding.kind for finding in done.findings}
