"""In which order the room decides: fences first, then what stands in Kubernetes, an expansion, the schema, a new expansion."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.expansion import plan_expansion
from caisson_operator.sharded_database.observed import (
    Claim,
    Expansion,
    GroupRecord,
    Objects,
    Shard,
    find_latest,
    find_running,
)
from caisson_operator.sharded_database.provisioning import build_objects
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import NOW, build_wanted, certify, observe, provision, settle

WANTED = build_wanted(2)


def reason(decision: Decision) -> str:
    return "" if isinstance(decision, Settled) else decision.reason


def grow(wanted: Wanted) -> dict[str, Shard]:
    """The last wanted shard is there, and owns nothing."""
    before = settle(build_wanted(len(wanted.shards) - 1))
    name = wanted.shards[-1]
    new = replace(before["s0"], name=name, shard_map={}, leaves={}, timeline=1)
    known = frozenset(wanted.shards)
    return {key: replace(shard, known_shards=known) for key, shard in {**before, name: new}.items()}


def begin_expansion(wanted: Wanted, **record: Any) -> dict[str, Shard]:
    """An expansion is recorded on s0, and the first of its groups on its target."""
    shards = grow(wanted)
    groups = plan_expansion(wanted.groups, shards, wanted.shards, 1, wanted.pace)
    running = Expansion(1, groups, len(wanted.shards) - 1, len(wanted.shards), is_finished=False, started_at=NOW)
    target = groups[0].target
    found = {(1, groups[0].number): GroupRecord(1, 1, NOW, **record)}
    return {
        **shards,
        "s0": replace(shards["s0"], expansion=running),
        target: replace(shards[target], records=found),
    }


def fence_first_group(shards: dict[str, Shard]) -> dict[str, Shard]:
    """The fence is committed on the source, and the target is not open."""
    running = shards["s0"].expansion
    assert running is not None
    group = running.groups[0]
    source = shards[group.source]
    moved = {b: Claim(group.target, 2) for b in source.shard_map if b.number in group.buckets}
    return {**shards, group.source: replace(source, shard_map={**source.shard_map, **moved})}


def test_what_was_asked_for_is_there() -> None:
    assert decide(WANTED, observe(WANTED)) == Settled()


def test_the_same_observation_gives_the_same_decision() -> None:
    wanted = build_wanted(3)
    observed = observe(wanted, grow(wanted))
    assert decide(wanted, observed) == decide(wanted, observed)


def test_credentials_are_made_before_anything_that_needs_them() -> None:
    decision = decide(WANTED, observe(WANTED, {}, Objects()))
    assert isinstance(decision, Plan)
    assert decision.steps == (steps.CreateCredentials(),)


def test_lost_credentials_are_never_made_anew_over_volumes() -> None:
    decision = decide(WANTED, observe(WANTED, {}, Objects(has_volumes=True)))
    assert isinstance(decision, Refuse)
    assert decision.reason == "CredentialsLost"
    assert "restore it" in decision.message


def test_only_objects_that_are_missing_or_stale_are_applied() -> None:
    objects = provision(WANTED)
    stale = replace(objects, contents={**objects.contents, ("StatefulSet", "flights-s1"): "old"})
    decision = decide(WANTED, observe(WANTED, objects=stale))
    assert isinstance(decision, Plan)
    (step,) = decision.steps
    assert isinstance(step, steps.ApplyObjects)
    assert [(m["kind"], m["metadata"]["name"]) for m in step.manifests] == [("StatefulSet", "flights-s1")]


def made_at(wanted: Wanted, shards: dict[str, Shard], present: int) -> set[str]:
    """The shards of which something is applied, where so many are there already."""
    objects = provision(build_wanted(present)) if present else Objects()
    objects = replace(objects, **certify(wanted))
    decision = decide(wanted, observe(wanted, shards, objects))
    applied = decision.steps[0].manifests if isinstance(decision, Plan) else ()  # type: ignore[attr-defined]
    return {shard for m in applied if (shard := m["metadata"]["labels"].get("caisson.dev/shard"))}


def test_a_database_that_nobody_uses_gets_all_its_shards_at_once() -> None:
    assert made_at(build_wanted(3), {}, 0) == {"s0", "s1", "s2"}


def test_a_database_that_serves_gets_a_new_shard_once_the_one_before_is_up() -> None:
    wanted, before = build_wanted(4), settle(build_wanted(2))
    third = replace(before["s0"], name="s2", shard_map={}, leaves={})
    assert made_at(wanted, before, 2) == {"s2"}
    assert made_at(wanted, before, 3) == set(), "s2 has no primary yet"
    assert made_at(wanted, {**before, "s2": replace(third, has_synchronous_standby=False)}, 3) == set()
    assert made_at(wanted, {**before, "s2": third}, 3) == {"s3"}


def test_says_that_a_shard_waits_for_its_turn() -> None:
    wanted, before = build_wanted(4), settle(build_wanted(2))
    objects = replace(provision(wanted), claimed_sizes=provision(build_wanted(3)).claimed_sizes)
    decision = decide(wanted, observe(wanted, before, objects))
    assert isinstance(decision, Wait)
    assert "s3: is made once the one before it is up" in decision.message


def test_every_shard_is_given_the_image_of_the_present_operator() -> None:
    """Beside the template that belongs to it: a template may need what an older image lacks."""
    upgraded = build_wanted(3, image="newer")
    objects = provision(build_wanted(2))
    made = build_objects(upgraded, objects, objects.login)
    images = {
        m["metadata"]["name"]: m["spec"]["template"]["spec"]["containers"][0]["image"]
        for m in made
        if m["kind"] == "StatefulSet"
    }
    assert images == dict.fromkeys(("flights-s0", "flights-s1", "flights-s2"), "newer")


def test_waits_for_a_shard_that_cannot_be_reached_and_says_why() -> None:
    shards = {"s0": settle(WANTED)["s0"]}
    observed = replace(observe(WANTED, shards), unreachable={"s1": "connection refused"})
    decision = decide(WANTED, observed)
    assert isinstance(decision, Wait)
    assert decision.reason == "ShardsNotReady"
    assert "s1: connection refused" in decision.message


def test_the_schema_comes_before_a_new_expansion() -> None:
    wanted = build_wanted(3)
    shards = grow(wanted)
    bare = {**shards, "s2": replace(shards["s2"], migrations={}, tables={})}
    assert reason(decide(wanted, observe(wanted, bare))) == "Migrating"
    assert reason(decide(wanted, observe(wanted, shards))) == "Planning"


def test_a_plan_is_recorded_on_the_first_shard_before_anything_is_made() -> None:
    wanted = build_wanted(3)
    decision = decide(wanted, observe(wanted, grow(wanted)))
    assert isinstance(decision, Plan)
    (start,) = decision.steps
    assert isinstance(start, steps.StartExpansion)
    assert (start.shard, start.number, start.from_shards, start.to_shards) == ("s0", 1, 2, 3)
    assert {group.target for group in start.groups} == {"s2"}


def test_expansions_are_numbered_one_after_the_other() -> None:
    wanted = build_wanted(3)
    over = Expansion(4, (), 1, 2, is_finished=True, started_at=NOW)
    shards = grow(wanted)
    decision = decide(wanted, observe(wanted, {**shards, "s0": replace(shards["s0"], expansion=over)}))
    assert isinstance(decision, Plan)
    assert [step.number for step in decision.steps if isinstance(step, steps.StartExpansion)] == [5]


def test_an_expansion_goes_on_while_a_shard_that_it_does_not_need_is_away() -> None:
    wanted = build_wanted(3)
    shards = begin_expansion(wanted)
    wider = build_wanted(4)
    assert reason(decide(wider, observe(wider, shards))) == "Copying"


def test_objects_of_further_shards_are_applied_while_an_expansion_runs() -> None:
    wanted = build_wanted(3)
    wider = build_wanted(4)
    objects = provision(wanted, **certify(wider))
    assert reason(decide(wider, observe(wider, begin_expansion(wanted), objects))) == "ApplyingObjects"


@pytest.mark.parametrize("objects", [Objects(), Objects(has_volumes=True)])
def test_a_fence_that_is_committed_is_rolled_forward_before_anything_else(objects: Objects) -> None:
    """Until its target is open nobody can write to its buckets."""
    wanted = build_wanted(3)
    shards = fence_first_group(begin_expansion(wanted, is_indexed=True, is_verified=True))
    decision = decide(wanted, observe(wanted, shards, objects))
    assert isinstance(decision, Plan)
    assert [type(step) for step in decision.steps] == [steps.OpenTarget]


def test_a_fence_left_open_is_ended_before_its_outcome_is_believed() -> None:
    wanted = build_wanted(3)
    shards = fence_first_group(begin_expansion(wanted))
    held = {**shards, "s1": replace(shards["s1"], open_fences=1)}
    decision = decide(wanted, observe(wanted, held, Objects()))
    assert isinstance(decision, Plan)
    assert decision.steps == (steps.EndFences("s1"),)


ASYNCHRONOUS: dict[str, Any] = {"membersPerShard": 2, "durability": "asynchronous"}


def test_refuses_to_expand_a_database_whose_fence_could_be_lost() -> None:
    before, wanted = build_wanted(2, **ASYNCHRONOUS), build_wanted(3, **ASYNCHRONOUS)
    decision = decide(wanted, observe(wanted, settle(before), provision(before)))
    assert isinstance(decision, Refuse)
    assert decision.reason == "DurabilityAsynchronous"
    assert "set spec.durability to synchronous first" in decision.message


def test_refuses_an_expansion_that_no_shard_has_a_worker_for() -> None:
    wanted = build_wanted(3)
    shards = grow(wanted)
    decision = decide(wanted, observe(wanted, {**shards, "s2": replace(shards["s2"], spare_workers=1)}))
    assert isinstance(decision, Refuse)
    assert decision.reason == "NoRoomForCopies"
    assert "s2 has 1 logical replication workers to spare" in decision.message


def refer_to_airlines(shards: dict[str, Shard]) -> dict[str, Shard]:
    tables = shards["s0"].tables
    unfit = {**tables, "flights": replace(tables["flights"], foreign_keys_to=("airlines",))}
    return {**shards, "s0": replace(shards["s0"], tables=unfit)}


def test_a_table_that_cannot_move_is_refused_before_a_new_shard_is_made() -> None:
    before, wanted = build_wanted(2), build_wanted(3)
    objects = provision(before, **certify(wanted))
    decision = decide(wanted, observe(wanted, refer_to_airlines(settle(before)), objects))
    assert reason(decision) == "ForeignKeyToUnshardedTable"


def test_a_migration_that_may_mend_the_table_comes_first() -> None:
    before, wanted = build_wanted(2), build_wanted(3)
    unfit = refer_to_airlines(settle(before))
    waiting = {**unfit, "s1": replace(unfit["s1"], migrations={})}
    objects = provision(before, **certify(wanted))
    assert reason(decide(wanted, observe(wanted, waiting, objects))) == "ApplyingObjects"


def test_a_table_that_was_made_unfit_meanwhile_holds_an_expansion_up_but_no_committed_fence() -> None:
    wanted = build_wanted(3)
    shards = refer_to_airlines(begin_expansion(wanted))
    decision = decide(wanted, observe(wanted, shards))
    assert isinstance(decision, Wait)
    assert decision.reason == "ForeignKeyToUnshardedTable"
    assert decision.message.startswith("on s0: table flights")
    assert reason(decide(wanted, observe(wanted, fence_first_group(shards)))) == "RollingForward"


@pytest.mark.parametrize("spec", [{"membersPerShard": 1, "durability": "asynchronous"}, {"membersPerShard": 2}])
def test_expands_where_no_commit_can_be_lost_in_a_failover(spec: dict[str, Any]) -> None:
    before, wanted = build_wanted(2, **spec), build_wanted(3, **spec)
    objects = provision(before, **certify(wanted))
    assert reason(decide(wanted, observe(wanted, settle(before), objects))) == "ApplyingObjects"


def test_an_asynchronous_database_may_be_made_with_several_shards() -> None:
    """Even where the operator died after it had made the first of them: nobody owns a bucket yet."""
    wanted = build_wanted(3, **ASYNCHRONOUS)
    half = provision(build_wanted(1, **ASYNCHRONOUS), **certify(wanted))
    assert reason(decide(wanted, observe(wanted, {}, half))) == "ApplyingObjects"


def test_a_refusal_to_expand_further_does_not_hold_a_committed_fence() -> None:
    wanted = build_wanted(4, **ASYNCHRONOUS)
    shards = fence_first_group(begin_expansion(build_wanted(3)))
    decision = decide(wanted, observe(wanted, shards, provision(build_wanted(3, **ASYNCHRONOUS))))
    assert reason(decision) == "RollingForward"


def test_the_latest_expansion_is_the_one_with_the_highest_number() -> None:
    over = Expansion(1, (), 1, 2, is_finished=True, started_at=NOW)
    running = Expansion(2, (), 2, 3, is_finished=False, started_at=NOW)
    shards = settle(WANTED, expansion=over)
    observed = observe(WANTED, {**shards, "s1": replace(shards["s1"], expansion=running)})
    assert find_latest(observed) == running
    assert find_running(observed) == running
    assert find_running(observe(WANTED, settle(WANTED, expansion=over))) is None
