"""The status says what was seen and no more: phases, conditions and counts, from an observation and the decision on it."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from caisson_operator.api.sharded_database_status import DatabasePhase, ExpansionPhase, ShardedDatabaseStatus
from caisson_operator.core.conditions import observed_transitions
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.news import tell_transition
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import GroupRecord, Objects, Observed, Pod
from caisson_operator.sharded_database.recorded import read_recorded
from caisson_operator.sharded_database.status import build_status
from fakes.observations import build_wanted, observe, provision, settle
from sim.simulation import Simulation

WANTED = build_wanted(2)
REFUSED = Refuse("TableMissing", "table flights is declared, but no migration has made it")
WAITING = Wait("ShardsNotReady", "waiting", 2)


def build(decision: Decision = Settled(), observed: Observed | None = None) -> ShardedDatabaseStatus:  # noqa: B008
    return build_status(WANTED, observed or observe(WANTED), decision)


def read_conditions(status: ShardedDatabaseStatus) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status.value, condition.reason) for condition in status.conditions}


def test_a_settled_database_is_ready_and_nothing_is_under_way() -> None:
    status = build()
    assert status.phase is DatabasePhase.READY
    assert read_conditions(status) == {
        "Ready": ("True", "ShardsReady"),
        "Progressing": ("False", "AsWanted"),
        "SchemaApplied": ("True", "Applied"),
        "Expanding": ("False", "NeverExpanded"),
        "Degraded": ("False", "Healthy"),
        "Unprotected": ("False", "Protected"),
        "FailoverBlocked": ("False", "NotBlocked"),
        "Updating": ("False", "UpToDate"),
        "MemberLost": ("False", "NoneLost"),
    }
    assert status.migrations_applied == ("001",)
    assert status.expansion is None
    assert [(shard.name, shard.buckets, shard.timeline) for shard in status.shards] == [("s0", 4, 1), ("s1", 4, 1)]


def test_a_database_that_is_being_made_is_provisioning() -> None:
    status = build(Plan((), "ApplyingObjects", "applying"), observe(WANTED, {}, Objects()))
    assert status.phase is DatabasePhase.PROVISIONING
    conditions = read_conditions(status)
    assert conditions["Ready"] == ("False", "ApplyingObjects")
    assert conditions["SchemaApplied"] == ("Unknown", "ShardsNotReady")
    assert (status.shard_count, status.binding) == (0, None)


def test_the_binding_is_named_once_its_secret_is_there() -> None:
    assert build().binding is not None
    objects = provision(WANTED)
    bare = {key: value for key, value in objects.contents.items() if key[0] != "Secret"}
    assert build(observed=observe(WANTED, objects=replace(objects, contents=bare))).binding is None


def test_a_refusal_is_told_in_every_condition_that_it_concerns() -> None:
    status = build(REFUSED)
    assert status.phase is DatabasePhase.REFUSED
    conditions = read_conditions(status)
    assert conditions["SchemaApplied"] == ("False", "TableMissing")
    assert conditions["Degraded"] == ("True", "TableMissing")
    assert conditions["Ready"][0] == "True", "buckets that are owned go on taking reads and writes"


def test_a_refusal_that_is_not_about_the_schema_leaves_the_schema_alone() -> None:
    assert read_conditions(build(Refuse("DurabilityAsynchronous", "")))["SchemaApplied"] == ("True", "Applied")


def test_a_shard_without_a_primary_takes_readiness_away_and_says_why() -> None:
    shards = {"s0": settle(WANTED)["s0"]}
    observed = replace(observe(WANTED, shards), unreachable={"s1": "connection refused"})
    status = build(WAITING, observed)
    assert status.phase is DatabasePhase.DEGRADED
    (ready,) = [condition for condition in status.conditions if condition.type == "Ready"]
    assert (ready.status, ready.reason) == ("False", "ShardsNotReady")
    assert "s1: connection refused" in ready.message


def test_a_shard_without_a_primary_is_not_taken_for_an_expansion() -> None:
    status = build(WAITING, observe(WANTED, {"s0": settle(WANTED)["s0"]}))
    assert status.expansion is None


def test_an_expansion_whose_record_is_out_of_reach_stays_as_it_was_last_seen(
    watched: list[ShardedDatabaseStatus],
) -> None:
    """The first shard keeps it: one that fails over must not make an expansion vanish from the status that people watch."""
    running = next(status for status in watched if status.expansion and status.expansion.rows_copied)
    recorded = read_recorded(json.loads(running.model_dump_json(by_alias=True)))
    found = observe(WANTED, {"s1": settle(WANTED)["s1"]})
    status = build(WAITING, replace(found, recorded=recorded))
    assert read_conditions(status)["Expanding"] == ("True", "Expanding")
    kept = status.expansion
    assert kept is not None
    assert running.expansion is not None
    assert kept.message == "as last seen: shard s0, which keeps its record, cannot be reached"
    assert kept.copy_seconds_left is None, "nobody knows how it goes on"
    differs = {field: getattr(running.expansion, field) for field in ("message", "copy_seconds_left")}
    assert kept.model_copy(update=differs) == running.expansion


def test_new_shards_that_own_nothing_yet_take_no_readiness_away() -> None:
    wanted = build_wanted(4)
    status = build_status(wanted, observe(wanted, settle(WANTED)), WAITING)
    assert read_conditions(status)["Ready"] == ("True", "ShardsReady")
    assert status.expansion is not None
    assert status.expansion.phase is ExpansionPhase.PROVISIONING
    assert (status.expansion.id, status.expansion.from_shards, status.expansion.to_shards) == (1, 2, 4)


def test_an_expansion_that_is_refused_has_failed() -> None:
    wanted = build_wanted(4)
    status = build_status(wanted, observe(wanted, settle(WANTED)), Refuse("DurabilityAsynchronous", "set it"))
    assert status.expansion is not None
    assert (status.expansion.phase, status.expansion.message) == (ExpansionPhase.FAILED, "set it")


def test_a_shard_without_its_synchronous_standby_is_degraded() -> None:
    bare = observe(WANTED, settle(WANTED, has_synchronous_standby=False))
    status = build(observed=bare)
    assert status.phase is DatabasePhase.DEGRADED
    assert read_conditions(status)["Degraded"] == ("True", "NoSynchronousStandby")


@pytest.mark.parametrize("spec", [{"membersPerShard": 1, "durability": "asynchronous"}, {"durability": "asynchronous"}])
def test_nobody_misses_a_standby_that_was_not_asked_for(spec: dict[str, Any]) -> None:
    wanted = build_wanted(2, **spec)
    status = build_status(wanted, observe(wanted, settle(wanted, has_synchronous_standby=False)), Settled())
    assert status.phase is DatabasePhase.READY


def test_migrations_that_wait_are_named() -> None:
    status = build(observed=observe(WANTED, settle(WANTED, migrations={})))
    (applied,) = [condition for condition in status.conditions if condition.type == "SchemaApplied"]
    assert (applied.status, applied.reason) == ("False", "Migrating")
    assert "001" in applied.message


def test_pods_are_counted_by_their_shard() -> None:
    pods = (Pod("flights-s0-0", "s0", "replica", False), Pod("flights-s0-1", "s0", "primary", True))
    status = build(observed=observe(WANTED, objects=provision(WANTED, pods=pods)))
    found = [(shard.primary, shard.members, shard.ready_members) for shard in status.shards]
    assert found == [("flights-s0-1", 2, 1), (None, 2, 0)]


def watch_expansion() -> list[ShardedDatabaseStatus]:
    """The status after every look of a leader, from the moment when two more shards are asked for."""
    sim = Simulation.of(2, 4, buckets=8)
    seen = []
    for _ in range(400):
        observed = observe(sim.leader.wanted, sim.shards.observe(term=2))
        decision = decide(sim.leader.wanted, replace(observed, now=sim.shards.cluster.now))
        seen.append(build_status(sim.leader.wanted, observed, decision))
        if isinstance(sim.tick(), Settled):
            return seen
    raise AssertionError("no end")


@pytest.fixture(scope="module")
def watched() -> list[ShardedDatabaseStatus]:
    return watch_expansion()


def test_an_expansion_passes_through_its_phases_in_their_order(watched: list[ShardedDatabaseStatus]) -> None:
    phases = [status.expansion.phase for status in watched if status.expansion]
    order = [phase for before, phase in pairwise([None, *phases]) if phase != before]
    assert order == [
        ExpansionPhase.PLANNING,
        ExpansionPhase.COPYING,
        ExpansionPhase.DUAL_WRITING,
        ExpansionPhase.VERIFYING,
        ExpansionPhase.SWITCHING,
        ExpansionPhase.COMPLETED,
    ]


def test_counts_of_an_expansion_only_rise_to_their_totals(watched: list[ShardedDatabaseStatus]) -> None:
    found = [status.expansion for status in watched if status.expansion and status.expansion.switch_groups.total]
    for what in ("copied", "verified", "switched"):
        counts = [getattr(expansion.switch_groups, what) for expansion in found]
        assert counts == sorted(counts)
        assert counts[-1] == found[-1].switch_groups.total == 4
    moved = [expansion.buckets.moved for expansion in found]
    assert moved == sorted(moved)
    assert (moved[0], moved[-1], found[-1].buckets.total) == (0, 4, 4)


def test_all_rows_are_copied_in_the_end_and_time_left_is_told_of_copying_alone(
    watched: list[ShardedDatabaseStatus],
) -> None:
    found = [status.expansion for status in watched if status.expansion and status.expansion.switch_groups.total]
    assert all(expansion.rows_copied <= (expansion.rows_total or 0) for expansion in found)
    assert 0 < found[-1].rows_copied == found[-1].rows_total
    timed = [expansion.phase for expansion in found if expansion.copy_seconds_left is not None]
    assert set(timed) <= {ExpansionPhase.COPYING}


def test_the_condition_of_an_expansion_turns_true_and_false_again(watched: list[ShardedDatabaseStatus]) -> None:
    told = [read_conditions(status)["Expanding"] for status in watched]
    assert [one for before, one in pairwise([None, *told]) if one != before] == [
        ("False", "NeverExpanded"),
        ("True", "Expanding"),
        ("False", "Completed"),
    ]
    assert {status.phase for status in watched} >= {DatabasePhase.EXPANDING, DatabasePhase.READY}


def test_an_expansion_is_told_in_events_from_its_plan_to_its_end(watched: list[ShardedDatabaseStatus]) -> None:
    """As the frame posts them: one for each change of a condition, and no warning where nothing went wrong."""
    conditions = [[condition.model_dump(mode="json") for condition in status.conditions] for status in watched]
    events = [
        tell_transition(each) for before, now in pairwise(conditions) for each in observed_transitions(before, now)
    ]
    assert [event.reason for event in events if event.is_warning] == []
    told = [(event.action, event.reason) for event in events]
    begun = [event for event in dict.fromkeys(told) if event in EXPANSION_EVENTS]
    assert begun == EXPANSION_EVENTS
    assert told.count(("Progressing", "Switching")) == 4, "one for each switch group"


EXPANSION_EVENTS = [
    ("Progressing", "Planning"),
    ("Progressing", "Copying"),
    ("Expanding", "Expanding"),
    ("Progressing", "BuildingIndexes"),
    ("Progressing", "Verifying"),
    ("Progressing", "Switching"),
    ("Progressing", "Cleaning"),
    ("Progressing", "Finishing"),
    ("Expanding", "Completed"),
]


def test_a_database_that_expands_is_ready_all_the_way_but_for_the_fences(watched: list[ShardedDatabaseStatus]) -> None:
    unready = [status for status in watched if read_conditions(status)["Ready"][0] != "True"]
    assert len(unready) < len(watched) / 5


def test_a_switch_that_waits_for_its_target_to_catch_up_is_still_a_switch() -> None:
    sim = Simulation.of(2, 4, buckets=8)
    while not all(record.is_verified for record in _read_records(sim)):
        sim.tick()
    observed = observe(sim.leader.wanted, sim.shards.observe(term=2))
    status = build_status(sim.leader.wanted, observed, Wait("CatchingUp", "behind", 1))
    assert status.expansion is not None
    assert status.expansion.phase is ExpansionPhase.SWITCHING


def _read_records(sim: Simulation) -> list[GroupRecord]:
    found = [record for shard in sim.shards.observe(term=2).values() for record in shard.records.values()]
    return found if len(found) == 4 else [GroupRecord(1, 1, sim.shards.cluster.now)]


def test_a_paused_expansion_says_so() -> None:
    wanted = build_wanted(4, expansion={"paused": True})
    sim = Simulation.of(2, 4, buckets=8)
    while sim.shards.servers["s0"].live.latest_expansion is None:
        sim.tick()
    observed = observe(wanted, sim.shards.observe(term=2))
    status = build_status(wanted, observed, decide(wanted, observed))
    assert status.expansion is not None
    assert status.expansion.phase is ExpansionPhase.PAUSED
