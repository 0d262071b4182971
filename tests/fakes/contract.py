"""What the room may expect of a database's shards: checks that the fake and real PostgreSQL both pass.

A subclass gives the fixture `engine`, which stands where an expansion from s0 to s1 has just been recorded.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest

from caisson_operator.core.decisions import HeldUp, Step
from caisson_operator.core.layout import Leaf, SwitchGroup
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.observed import Attachment, LeafState, Shard

LOOSE, ATTACHED = LeafState(Attachment.LOOSE), LeafState(Attachment.ATTACHED)
LINK = ("publication", "slot", "subscription")
TOMBSTONED = LeafState(Attachment.ATTACHED, is_tombstoned=True)


class Engine(Protocol):
    """The shards s0 and s1, driven synchronously. A write is one row of the first table, as an application would send it."""

    deposed: type[Exception]

    def act(self, step: Step, term: int = 2) -> None: ...
    def observe(self) -> Mapping[str, Shard]: ...
    def copies_all(self, group: SwitchGroup) -> bool:
        """Wait for the initial copy and all that followed; False if it never comes."""

    def write(self, shard: str, bucket: int, key: int, version: int) -> bool: ...
    def rows(self, shard: str, leaf: Leaf) -> dict[int, int]: ...
    def gate(self, shard: str, bucket: int) -> int: ...
    def set_gate(self, shard: str, bucket: int, epoch: int) -> None: ...
    def corrupt(self, leaf: Leaf, key: int) -> None:
        """Change one row of the copy behind the subscription's back."""

    def beat(self, group: SwitchGroup) -> None: ...
    def open_transaction(self, shard: str, bucket: int) -> AbstractContextManager[object]: ...


def plan_group(engine: Engine) -> SwitchGroup:
    expansion = engine.observe()["s0"].expansion
    assert expansion is not None
    return expansion.groups[0]


def find_facts(engine: Engine, group: SwitchGroup) -> dict[str, Any]:
    """Everything that the machine looks at, of this group."""
    shards = engine.observe()
    source, target = shards[group.source], shards[group.target]
    record = target.records.get((group.expansion, group.number))
    numbers = sorted((bucket, claim.owner, claim.epoch) for bucket, claim in source.shard_map.items())
    return {
        "old leaves": {source.leaf(leaf) for leaf in group.leaves},
        "new leaves": {target.leaf(leaf) for leaf in group.leaves},
        "publication": group.link in source.publications,
        "slot": group.link in source.slots,
        "subscription": group.link in target.subscriptions,
        "sentinels": (group.sentinel in source.sentinels, group.sentinel in target.sentinels),
        "record": record and (record.is_indexed, record.is_verified, record.mismatches, record.switched_at is not None),
        "source map": [(b.number, owner, epoch) for b, owner, epoch in numbers if b.number in group.buckets],
        "target claims": sorted((b.number, c.epoch) for b, c in target.claims().items() if b.number in group.buckets),
    }


def act_twice(engine: Engine, step: Step) -> None:
    """Each effect is safe to repeat: the second time changes nothing that is looked at."""
    engine.act(step)
    assert isinstance(step, steps.OnGroup)
    once = find_facts(engine, step.group)
    engine.act(step)
    assert find_facts(engine, step.group) == once, f"{type(step).__name__} is not safe to repeat"


def prepare(engine: Engine, group: SwitchGroup) -> None:
    shards = engine.observe()
    timelines = (shards[group.source].timeline, shards[group.target].timeline)
    act_twice(engine, steps.RecordGroup(group, *timelines))
    for kind in (steps.CreateTargetLeaves, steps.CreatePublication, steps.CreateSlot, steps.Subscribe):
        act_twice(engine, kind(group))


def copy(engine: Engine, group: SwitchGroup) -> None:
    prepare(engine, group)
    assert engine.copies_all(group)
    act_twice(engine, steps.BuildIndexes(group))
    act_twice(engine, steps.Verify(group))


def switch(engine: Engine, group: SwitchGroup) -> None:
    copy(engine, group)
    engine.act(steps.Fence(group))
    act_twice(engine, steps.OpenTarget(group))


class ShardsContract:
    """Subclass it, and give it an engine."""

    def test_a_prepared_group_has_everything_that_feeds_a_copy(self, engine: Engine) -> None:
        group = plan_group(engine)
        before = find_facts(engine, group)
        assert before["old leaves"] == {ATTACHED}
        assert before["new leaves"] == {LeafState()}
        prepare(engine, group)
        facts = find_facts(engine, group)
        assert facts["new leaves"] == {LOOSE}
        assert [facts[what] for what in LINK] == [True, True, True]
        assert facts["sentinels"] == (True, True)
        assert facts["record"] == (False, False, 0, False)

    def test_rows_of_before_and_after_the_subscription_arrive(self, engine: Engine) -> None:
        group = plan_group(engine)
        bucket = group.buckets[0]
        assert engine.write("s0", bucket, 1, 1)
        assert engine.write("s0", bucket, 2, 1)
        prepare(engine, group)
        assert engine.copies_all(group)
        assert engine.write("s0", bucket, 2, 2)
        assert engine.write("s0", bucket, 3, 1)
        assert engine.copies_all(group)
        assert engine.rows("s1", group.leaves[0]) == {1: 1, 2: 2, 3: 1}
        assert not engine.write("s1", bucket, 4, 1), "a leaf that is not attached takes no row"

    def test_verification_finds_a_row_that_differs(self, engine: Engine) -> None:
        group = plan_group(engine)
        engine.write("s0", group.buckets[0], 1, 1)
        prepare(engine, group)
        assert engine.copies_all(group)
        engine.act(steps.BuildIndexes(group))
        engine.corrupt(group.leaves[0], 1)
        with pytest.raises(HeldUp) as held_up:
            engine.act(steps.Verify(group))
        assert held_up.value.reason == "RowsDiffer"
        is_indexed, is_verified, mismatches, _ = find_facts(engine, group)["record"]
        assert is_indexed
        assert not is_verified
        assert mismatches > 0

    def test_a_fence_closes_the_source_and_opens_nothing(self, engine: Engine) -> None:
        group = plan_group(engine)
        bucket = group.buckets[0]
        copy(engine, group)
        engine.write("s0", bucket, 1, 7)
        engine.act(steps.Fence(group))
        facts = find_facts(engine, group)
        assert facts["old leaves"] == {TOMBSTONED}
        assert facts["new leaves"] == {LOOSE}
        assert facts["source map"] == [(number, "s1", 2) for number in group.buckets]
        assert facts["target claims"] == []
        assert engine.rows("s1", group.leaves[0]) == {1: 7}, "drained before the COMMIT"
        assert engine.gate("s0", bucket) == 2
        assert not engine.write("s0", bucket, 1, 8)
        assert not engine.write("s1", bucket, 1, 8)

    def test_an_opened_target_owns_its_buckets_at_the_next_epoch(self, engine: Engine) -> None:
        group = plan_group(engine)
        bucket = group.buckets[0]
        switch(engine, group)
        facts = find_facts(engine, group)
        assert facts["new leaves"] == {ATTACHED}
        assert facts["target claims"] == [(number, 2) for number in group.buckets]
        assert facts["record"][3], "the time of the switch is recorded"
        assert (engine.gate("s0", bucket), engine.gate("s1", bucket)) == (2, 2)
        assert engine.write("s1", bucket, 1, 9)
        assert not engine.write("s0", bucket, 1, 10)

    def test_a_gate_beside_its_map_is_settled_at_the_higher_of_both(self, engine: Engine) -> None:
        plan_group(engine)
        claims = {b.number: claim.epoch for b, claim in engine.observe()["s0"].shard_map.items()}
        ahead, behind, *_ = claims
        assert set(claims.values()) == {1}
        engine.set_gate("s0", ahead, 2)
        engine.set_gate("s0", behind, 0)
        assert engine.observe()["s0"].unsettled_gates == 2
        engine.act(steps.SettleGates("s0"))
        found = engine.observe()["s0"]
        assert found.unsettled_gates == 0
        assert (engine.gate("s0", ahead), engine.gate("s0", behind)) == (2, 1)
        assert {b.number: claim.epoch for b, claim in found.shard_map.items()} == claims | {ahead: 2}

    def test_after_the_switch_everything_is_cleaned_step_by_step(self, engine: Engine) -> None:
        group = plan_group(engine)
        engine.write("s0", group.buckets[0], 1, 1)
        switch(engine, group)
        act_twice(engine, steps.DropSourceLeaves(group))
        assert find_facts(engine, group)["old leaves"] == {TOMBSTONED}, "an attached leaf is never dropped"
        act_twice(engine, steps.DetachSource(group))
        assert {leaf.attachment for leaf in find_facts(engine, group)["old leaves"]} == {Attachment.LOOSE}
        for kind in (steps.Unsubscribe, steps.DropSlot, steps.DropPublication, steps.DropSourceLeaves):
            act_twice(engine, kind(group))
        act_twice(engine, steps.DropSentinels(group))
        facts = find_facts(engine, group)
        assert facts["old leaves"] == {LeafState()}
        assert [facts[what] for what in LINK] == [False, False, False]
        assert facts["sentinels"] == (False, False)
        assert engine.rows("s1", group.leaves[0]) == {1: 1}

    def test_a_reset_goes_back_to_the_beginning(self, engine: Engine) -> None:
        group = plan_group(engine)
        before = find_facts(engine, group)
        copy(engine, group)
        order = (steps.ForgetGroup, steps.Unsubscribe, steps.DropSlot, steps.DropPublication, steps.DropTargetLeaves)
        for kind in (*order, steps.DropSentinels):
            act_twice(engine, kind(group))
        assert find_facts(engine, group) == before

    def test_a_fence_lets_go_where_an_open_transaction_uses_a_leaf(self, engine: Engine) -> None:
        group = plan_group(engine)
        copy(engine, group)
        before = find_facts(engine, group)
        with engine.open_transaction("s0", group.buckets[0]), pytest.raises(HeldUp) as held_up:
            engine.act(steps.Fence(group))
        assert held_up.value.reason == "FenceHeldUp"
        assert find_facts(engine, group) == before
        assert engine.write("s0", group.buckets[0], 1, 1)
        engine.act(steps.Fence(group))

    def test_a_fence_refuses_a_copy_that_began_on_another_timeline(self, engine: Engine) -> None:
        group = plan_group(engine)
        engine.act(steps.RecordGroup(group, 99, 1))
        prepare(engine, group)
        assert engine.copies_all(group)
        with pytest.raises(HeldUp) as held_up:
            engine.act(steps.Fence(group))
        assert held_up.value.reason == "TimelineChanged"
        assert engine.write("s0", group.buckets[0], 1, 1)

    def test_a_target_opens_only_when_it_has_the_last_beat(self, engine: Engine) -> None:
        group = plan_group(engine)
        for kind in (steps.CreateTargetLeaves, steps.CreatePublication):
            engine.act(kind(group))
        engine.beat(group)
        with pytest.raises(HeldUp) as held_up:
            engine.act(steps.OpenTarget(group))
        assert held_up.value.reason == "Draining"
        assert find_facts(engine, group)["new leaves"] == {LOOSE}

    def test_a_subscription_to_leaves_that_hold_rows_never_gets_ready(self, engine: Engine) -> None:
        """Why a reset must never look like a preparation: the copy fails on the primary key, again and again."""
        group = plan_group(engine)
        engine.write("s0", group.buckets[0], 1, 1)
        prepare(engine, group)
        assert engine.copies_all(group)
        for kind in (steps.Unsubscribe, steps.DropSlot, steps.CreateSlot, steps.Subscribe):
            engine.act(kind(group))
        assert not engine.copies_all(group)

    def test_a_leader_of_an_older_term_is_refused(self, engine: Engine) -> None:
        group = plan_group(engine)
        engine.act(steps.CreateTargetLeaves(group), term=3)
        with pytest.raises(engine.deposed):
            engine.act(steps.DropTargetLeaves(group), term=2)
        assert find_facts_of_later(engine, group) == {LOOSE}


def find_facts_of_later(engine: Engine, group: SwitchGroup) -> set[LeafState]:
    """`observe` of the engine enters the latest term that has acted."""
    target = engine.observe()[group.target]
    return {target.leaf(leaf) for leaf in group.leaves}
