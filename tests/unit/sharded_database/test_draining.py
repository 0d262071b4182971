"""A primary on a node that is being drained hands over first; whatever else is due does not wait for that."""

from dataclasses import replace

import pytest

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.draining import decide_drains, wait_for_drains
from caisson_operator.sharded_database.handover import name_own_request
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.updating import decide_updates
from fakes.members import build_members, change, see, write_down
from fakes.observations import build_wanted

WANTED = build_wanted(2)
ALONE = build_wanted(1, membersPerShard=1, durability="asynchronous")
SWITCH = steps.SwitchOver("s0", "flights-s0-0", "flights-s0-1", name_own_request("s0", 1))


def drain(*nodes: str, **changes: dict[str, object]) -> Observed:
    return see(WANTED, change(build_members(WANTED), s1_0={"node": "node-1"}, **changes), cordoned=frozenset(nodes))


def is_left_alone(decision: Decision) -> bool:
    return not isinstance(decision, Plan) or not any(isinstance(step, steps.SwitchOver) for step in decision.steps)


def test_the_primary_on_a_cordoned_node_hands_over_to_its_standby_on_another() -> None:
    observed = drain("node-0")
    decision = decide(WANTED, write_down(WANTED, observed, decide(WANTED, observed)))
    assert isinstance(decision, Plan)
    assert decision.steps == (steps.Checkpoint("s0"), SWITCH)


def test_a_standby_on_a_cordoned_node_is_left_to_its_eviction() -> None:
    observed = see(WANTED, cordoned=frozenset(["node-1"]))
    assert decide_drains(WANTED, observed) == wait_for_drains(WANTED, observed) == Settled()


def test_does_not_move_to_a_node_that_is_drained_as_well_and_says_so() -> None:
    observed = see(WANTED, cordoned=frozenset(["node-0", "node-1"]))
    assert decide_drains(WANTED, observed) == Settled()
    waiting = wait_for_drains(WANTED, observed)
    assert isinstance(waiting, Wait)
    assert "so is node-1 with flights-s0-1" in waiting.message


@pytest.mark.parametrize("of_standby", [{"is_ready": False}, {"role": ""}])
def test_waits_for_a_standby_that_may_lead_and_lets_all_else_go_on(of_standby: dict[str, object]) -> None:
    observed = drain("node-0", s0_1=of_standby)
    assert decide_drains(WANTED, observed) == Settled()
    assert isinstance(wait_for_drains(WANTED, observed), Wait)
    assert is_left_alone(decide(WANTED, observed))


def test_nobody_is_promoted_whom_patroni_does_not_name_as_synchronous() -> None:
    observed = drain("node-0")
    unnamed = {**observed.objects.patroni, "s0": replace(observed.objects.patroni["s0"], sync_standbys=())}
    assert decide_drains(WANTED, replace(observed, objects=replace(observed.objects, patroni=unnamed))) == Settled()


def test_a_switchover_that_is_under_way_is_waited_for() -> None:
    observed = drain("node-0")
    asked = {**observed.objects.patroni, "s0": replace(observed.objects.patroni["s0"], asked_to="flights-s0-1")}
    decision = decide_drains(WANTED, replace(observed, objects=replace(observed.objects, patroni=asked)))
    assert isinstance(decision, Wait)
    assert decision.reason == "SwitchingOver"


def test_the_only_member_of_a_shard_cannot_hand_over_and_may_be_evicted() -> None:
    assert wait_for_drains(ALONE, see(ALONE, cordoned=frozenset(["node-0"]))) == Settled()


def test_no_member_is_restarted_on_a_node_that_takes_no_pods() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_1={"template": "older"}), cordoned=frozenset(["node-1"]))
    decision = decide_updates(WANTED, observed)
    assert isinstance(decision, Wait)
    assert "node-1 with flights-s0-1 must take pods again" in decision.message
