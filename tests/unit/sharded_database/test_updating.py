"""Which member is restarted next: standbys first, one at a time, and nobody while anything is not as it should be."""

from dataclasses import replace
from datetime import timedelta

import pytest

from caisson_operator.api.failover_status import FailoverCause
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.failovers import list_failovers
from caisson_operator.sharded_database.handover import name_own_request
from caisson_operator.sharded_database.observed import Expansion, Observed
from caisson_operator.sharded_database.patroni_state import HistoryLine, MemberState, PatroniState
from caisson_operator.sharded_database.provisioning import find_template
from caisson_operator.sharded_database.recorded import Recorded
from caisson_operator.sharded_database.status import build_status
from caisson_operator.sharded_database.updating import decide_updates, list_outdated
from caisson_operator.sharded_database.wanted import Wanted
from fakes.members import build_members, change, see, write_down
from fakes.observations import NOW, build_wanted

WANTED = build_wanted(2)
ALONE = build_wanted(1, membersPerShard=1, durability="asynchronous")
OLD = {"template": "older"}
WAITS = {"told": MemberState("running", 1, must_restart=True)}
EVICT = steps.Evict("s0", "flights-s0-1", "uid-flights-s0-1")
SWITCH = steps.SwitchOver("s0", "flights-s0-0", "flights-s0-1", name_own_request("s0", 1))


def planned(decision: Decision) -> tuple[object, ...]:
    assert isinstance(decision, Plan), decision
    return decision.steps


def reason(decision: Decision) -> str:
    return "" if isinstance(decision, Settled) else decision.reason


def decide_when_written(observed: Observed) -> Decision:
    """What follows once the status tells of the switchover that is to come."""
    first = decide(WANTED, observed)
    assert reason(first) == "SwitchoverPrepared"
    return decide(WANTED, write_down(WANTED, observed, first))


def test_does_nothing_where_every_member_is_up_to_date() -> None:
    assert decide_updates(WANTED, see(WANTED)) == Settled()


@pytest.mark.parametrize(
    "other",
    [
        build_wanted(2, durability="strict"),
        build_wanted(2, storage={"size": "2Gi"}),
        build_wanted(2, membersPerShard=3),
    ],
)
def test_what_only_a_first_bootstrap_reads_makes_no_member_old(other: Wanted) -> None:
    assert find_template(other, "s0") == find_template(WANTED, "s0")


@pytest.mark.parametrize(
    "other", [build_wanted(2, image="newer"), build_wanted(2, resources={"requests": {"cpu": "1"}})]
)
def test_another_image_and_other_resources_make_members_old(other: Wanted) -> None:
    assert find_template(other, "s0") != find_template(WANTED, "s0")


def test_a_standby_comes_before_its_leader_and_one_shard_before_the_next() -> None:
    everything = change(build_members(WANTED), s0_0=OLD, s0_1=OLD, s1_0=OLD, s1_1=OLD)
    assert planned(decide(WANTED, see(WANTED, everything))) == (EVICT,)


def test_a_leader_hands_over_once_its_standbys_are_up_to_date() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD, s1_0=OLD, s1_1=OLD))
    assert planned(decide_when_written(observed)) == (steps.Checkpoint("s0"), SWITCH)


def test_a_former_leader_is_a_standby_like_any_other() -> None:
    pods = change(build_members(WANTED), s0_0={"role": "replica"}, s0_1={**OLD, "role": "primary"})
    (_, switch) = planned(decide_when_written(see(WANTED, pods)))
    assert isinstance(switch, steps.SwitchOver)
    assert (switch.leader, switch.member) == ("flights-s0-1", "flights-s0-0")


@pytest.mark.parametrize(
    "trouble",
    [
        {"s1_1": {"is_ready": False}},
        {"s1_1": {"is_leaving": True}},
        {"s0_1": {"is_ready": False}},
        {"s1_0": {"is_ready": False}},
    ],
)
def test_no_member_that_works_is_restarted_while_another_one_is_away(trouble: dict[str, dict[str, object]]) -> None:
    decision = decide_updates(WANTED, see(WANTED, change(build_members(WANTED), s0_0=OLD, **trouble)))
    assert reason(decision) == "WaitingForMembers"


def test_waits_for_a_member_that_has_no_pod_yet() -> None:
    pods = [pod for pod in change(build_members(WANTED), s0_0=OLD) if pod.name != "flights-s0-1"]
    decision = decide_updates(WANTED, see(WANTED, pods))
    assert isinstance(decision, Wait)
    assert "s0 must have its 2 members" in decision.message


def test_waits_for_a_standby_that_is_ready_and_not_synchronous_yet() -> None:
    observed = see(WANTED, change(build_members(WANTED), s1_1=OLD))
    bare = {**observed.shards, "s0": replace(observed.shards["s0"], has_synchronous_standby=False)}
    decision = decide_updates(WANTED, replace(observed, shards=bare))
    assert isinstance(decision, Wait)
    assert "s0 must have a synchronous standby" in decision.message


def test_nothing_is_restarted_while_an_expansion_runs() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_1=OLD))
    running = Expansion(1, (), 1, 2, is_finished=False, started_at=NOW)
    growing = {**observed.shards, "s0": replace(observed.shards["s0"], expansion=running)}
    assert reason(decide_updates(WANTED, replace(observed, shards=growing))) == "ExpansionRunning"


def test_a_standby_that_is_broken_and_out_of_date_is_not_waited_for() -> None:
    """What is wanted now may be what mends it."""
    pods = change(build_members(WANTED), s0_0=OLD, s0_1={**OLD, "is_ready": False})
    assert planned(decide_updates(WANTED, see(WANTED, pods))) == (EVICT,)


def test_a_broken_standby_is_not_waited_for_by_an_expansion_either() -> None:
    """It may be the one that the expansion waits for."""
    observed = see(WANTED, change(build_members(WANTED), s0_1={**OLD, "is_ready": False}))
    running = Expansion(1, (), 1, 2, is_finished=False, started_at=NOW)
    growing = {**observed.shards, "s0": replace(observed.shards["s0"], expansion=running)}
    assert planned(decide(WANTED, replace(observed, shards=growing))) == (EVICT,)


@pytest.mark.parametrize("of_leader", [{"is_ready": False}, {"role": ""}])
def test_a_broken_standby_without_a_leader_is_left_alone(of_leader: dict[str, object]) -> None:
    """It may be the one that is to lead."""
    pods = change(build_members(WANTED), s0_0=of_leader, s0_1={**OLD, "is_ready": False})
    assert reason(decide_updates(WANTED, see(WANTED, pods))) == "WaitingForMembers"


def test_a_member_that_has_no_other_is_restarted_and_it_is_said() -> None:
    decision = decide(ALONE, see(ALONE, change(build_members(ALONE), s0_0=OLD)))
    assert planned(decision) == (steps.Evict("s0", "flights-s0-0", "uid-flights-s0-0"),)
    assert reason(decision) == "RestartingOnlyMember"


def test_a_setting_that_waits_for_a_restart_is_given_one_without_a_new_pod() -> None:
    pods = change(build_members(WANTED), s0_0=WAITS, s0_1=WAITS)
    restart = steps.RestartMember("s0", "flights-s0-1", True, "restart/flights-s0-1")
    assert planned(decide(WANTED, see(WANTED, pods))) == (restart,)


def test_a_setting_that_still_waits_after_a_restart_is_not_restarted_for_again() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_1=WAITS))
    again = replace(observed, asked_at={"restart/flights-s0-1": NOW - timedelta(minutes=1)})
    assert decide_updates(WANTED, again) == Settled()


def test_a_switchover_that_came_to_nothing_rests_before_the_next() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD))
    asked = {name_own_request("s0", 1): NOW - timedelta(seconds=30)}
    assert reason(decide_updates(WANTED, replace(observed, asked_at=asked))) == "SwitchoverResting"
    later = replace(observed, asked_at=asked, now=NOW + timedelta(seconds=60))
    assert SWITCH in planned(decide_when_written(later))


@pytest.mark.parametrize("written", [None, "flights-s0-0", "flights-s0-2"])
def test_who_has_every_commit_is_written_down_before_a_switchover(written: str | None) -> None:
    """Afterwards nothing else would tell whether something is lost."""
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD))
    leader = observed.recorded.leaders["s0"].model_copy(update={"synchronous_standby": written, "is_requested": True})
    decision = decide_updates(WANTED, replace(observed, recorded=Recorded(leaders={"s0": leader})))
    assert reason(decision) == "SwitchoverPrepared"


def test_an_operator_that_takes_over_finds_that_a_switchover_was_asked_for() -> None:
    """It has no memory of what its predecessor asked, and Patroni's wish is gone by then: only the status tells."""
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD))
    prepared = write_down(WANTED, observed, decide(WANTED, observed))
    moved = PatroniState("flights-s0-1", NOW, 10_000_000, history=(HistoryLine(1, NOW, "flights-s0-1"),))
    taken_over = replace(prepared, objects=replace(prepared.objects, patroni={"s0": moved}))
    (entry,) = list_failovers(WANTED, taken_over)
    assert (entry.cause, entry.lost) == (FailoverCause.SWITCHOVER, "none")


def test_a_switchover_that_was_prepared_and_is_not_due_any_more_is_forgotten() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD))
    prepared = write_down(WANTED, observed, decide(WANTED, observed))
    assert prepared.recorded.leaders["s0"].is_requested
    assert not write_down(WANTED, prepared, Settled()).recorded.leaders["s0"].is_requested


def test_the_status_counts_members_that_are_up_to_date_and_says_what_comes_next() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_0=OLD, s0_1=OLD))
    status = build_status(WANTED, observed, Settled())
    assert [shard.updated_members for shard in status.shards] == [0, 2]
    updating = {condition.type: condition for condition in status.conditions}["Updating"]
    assert (updating.status, updating.reason) == ("True", "RestartingStandby")
    assert len(list_outdated("s0", WANTED, observed)) == 2
