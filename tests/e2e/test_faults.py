"""One round of each fault: what must come of it does, and nothing is lost.

`make bench ONLY=failover` does as many rounds as are asked for, and measures.
"""

import pytest

from demo.cluster import get, kubectl, wait_for
from demo.database import Primary
from demo.release import Images
from e2e.rounds import must_end_as_expected, must_lose_rows
from e2e.shards import lose_volume
from faults import clocks
from faults.fault import Fault
from faults.stage import MEMBER, Stage, set_up, spec
from faults.table import FAULTS, given_up
from faults.variants import ASYNCHRONOUS, CLOCK_FAULTS

NAMESPACE = "e2e-faults"
ENDED_SECONDS, BLOCKED_SECONDS = 60, 90


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


def test_by_hand_a_member_leads_that_nobody_would_promote(stage: Stage) -> None:
    """Whoever has every commit has lost its volume: a person decides, and the history does not say that nothing is lost."""
    stage.database.apply(spec(memberReplaceDelay="5s"))
    before = stage.steady()
    primary, standby = before.primary, before.standby
    with given_up(stage, standby):
        lose_volume(stage.database, primary.pod)
        wait_for("the primary to end", lambda: not is_running(stage, primary), ENDED_SECONDS, stage.database.explain)
    stage.database.wait_condition("FailoverBlocked", "True", BLOCKED_SECONDS)
    words = ("patronictl", "failover", "--candidate", standby.pod, "--force")
    kubectl("exec", standby.pod, "--container", MEMBER, "--", *words, namespace=stage.namespace)
    assert stage.steady().leader.pod == standby.pod, "and the other begins anew as its copy"
    told = stage.database.status()["failovers"][0]
    assert told["to"] == standby.pod
    assert told["lost"].startswith("unknown")


def is_running(stage: Stage, primary: Primary) -> bool:
    found = get("pod", primary.pod, stage.namespace) or {"metadata": {}, "status": {}}
    return bool(found["metadata"].get("uid") == primary.uid or found["status"].get("phase") == "Running")
