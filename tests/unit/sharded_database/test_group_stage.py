"""What a switch group's copy has reached, and which is begun next. One whose slot is lost is taken back and copied again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from caisson_operator.core.decisions import Decision, Plan, Wait
from caisson_operator.core.layout import Bucket, SwitchGroup
from caisson_operator.sharded_database.copy_room import explain_no_room
from caisson_operator.sharded_database.expansion import Pace, decide_expansion
from caisson_operator.sharded_database.observed import (
    Attachment,
    Claim,
    Expansion,
    GroupRecord,
    LeafState,
    Shard,
    Subscription,
)
from caisson_operator.sharded_database.steps import DropSlot, Fence, ForgetGroup, OpenTarget, Subscribe
from caisson_operator.sharded_database.switch_groups import GroupView, Stage, read_stage
from fakes.observations import NOW, build_wanted

GROUP = SwitchGroup(1, 1, "s0", "s1", build_wanted().groups["aircraft"], (3,))
SOURCE = Shard(
    "s0",
    timeline=1,
    has_synchronous_standby=True,
    shard_map={Bucket("aircraft", 3): Claim("s0", 1)},
    publications=frozenset([GROUP.link]),
    slots={GROUP.link: 10},
    sentinels=frozenset([GROUP.sentinel]),
)
TARGET = Shard(
    "s1",
    timeline=1,
    has_synchronous_standby=True,
    leaves=dict.fromkeys(GROUP.leaves, LeafState(Attachment.LOOSE)),
    subscriptions={GROUP.link: Subscription(True, 4, 4, True)},
    sentinels=frozenset([GROUP.sentinel]),
    records={(1, 1): GroupRecord(1, 1, NOW, NOW, is_indexed=True)},
)


def test_a_copy_with_its_slot_goes_on() -> None:
    assert read_stage(GroupView(GROUP, SOURCE, TARGET)) is Stage.SYNCED


def test_a_copy_whose_slot_is_gone_is_stale() -> None:
    assert read_stage(GroupView(GROUP, replace(SOURCE, slots={}), TARGET)) is Stage.STALE


def test_a_copy_whose_slot_has_lost_its_log_is_stale_and_the_slot_is_dropped() -> None:
    view = GroupView(GROUP, replace(SOURCE, lost_slots=frozenset([GROUP.link])), TARGET)
    assert read_stage(view) is Stage.STALE
    planned = [type(step) for needed, step in view.resetting() if needed]
    assert planned[0] is ForgetGroup
    assert DropSlot in planned


def test_a_fenced_group_whose_leaves_are_attached_and_not_claimed_is_opened_whatever_became_of_its_copy() -> None:
    """A crash came between the two: neither the attached leaves nor a lost slot make anything of it but an opening."""
    attached = replace(TARGET, leaves=dict.fromkeys(GROUP.leaves, LeafState(Attachment.ATTACHED)))
    fenced = replace(SOURCE, shard_map={Bucket("aircraft", 3): Claim("s1", 2)}, slots={})
    assert read_stage(GroupView(GROUP, fenced, attached)) is Stage.FENCED
    running = Expansion(1, (GROUP,), 1, 2, is_finished=False, started_at=NOW)
    pace = Pace(1, 0.0, None, is_paused=False, needs_standby=True)
    decision = decide_expansion(running, {"s0": fenced, "s1": attached}, pace, NOW)
    assert isinstance(decision, Plan)
    assert decision.steps == (OpenTarget(GROUP),)


def begin_copies(max_parallel_copies: int | None) -> Decision:
    """The first group is being copied; the second, on another route, waits for its turn."""
    second = replace(GROUP, number=2, source="s2", target="s3", buckets=(4,))
    running = Expansion(1, (GROUP, second), 2, 4, is_finished=False, started_at=NOW)
    copying = replace(TARGET, subscriptions={GROUP.link: Subscription(True, 4, 1, True)})
    owner = Shard("s2", timeline=1, has_synchronous_standby=True, shard_map={Bucket("aircraft", 4): Claim("s2", 1)})
    shards = {"s0": SOURCE, "s1": copying, "s2": owner, "s3": Shard("s3", timeline=1, has_synchronous_standby=True)}
    pace = Pace(2, 0.0, max_parallel_copies, is_paused=False, needs_standby=True)
    return decide_expansion(running, shards, pace, NOW)


def expand_towards(
    more_records: Mapping[tuple[int, int], GroupRecord] = MappingProxyType({}), **target: Any
) -> Decision:
    """The first group is verified; the second, on the same route, is not begun."""
    second = replace(GROUP, number=2, buckets=(4,))
    running = Expansion(1, (GROUP, second), 1, 2, is_finished=False, started_at=NOW)
    owner = replace(SOURCE, shard_map={Bucket("aircraft", n): Claim("s0", 1) for n in (3, 4)})
    verified = {(1, 1): GroupRecord(1, 1, NOW, NOW, is_indexed=True, is_verified=True)}
    shards = {"s0": owner, "s1": replace(TARGET, records={**verified, **more_records}, **target)}
    return decide_expansion(running, shards, Pace(2, 0.0, None, is_paused=False, needs_standby=True), NOW)


def test_a_group_is_copied_before_any_switches_where_there_is_room() -> None:
    decision = expand_towards(spare_workers=2)
    assert isinstance(decision, Plan)
    assert isinstance(decision.steps[-1], Subscribe)


def test_a_group_switches_to_make_room_for_the_next_copy() -> None:
    decision = expand_towards(spare_workers=1)
    assert isinstance(decision, Plan)
    assert [type(step) for step in decision.steps] == [Fence, OpenTarget]


def test_a_group_that_has_begun_and_lost_its_worker_to_another_lets_that_one_switch() -> None:
    """It was held up at its slot by a transaction; meanwhile a group of another source was copied to the same target."""
    begun = {(1, 2): GroupRecord(1, 1, NOW)}
    decision = expand_towards(spare_workers=1, more_records=begun)
    assert isinstance(decision, Plan)
    assert [type(step) for step in decision.steps] == [Fence, OpenTarget]


def test_a_slot_that_is_there_counts_for_the_group_that_has_it() -> None:
    source, target = replace(SOURCE, spare_slots=5), replace(TARGET, spare_workers=2)
    assert explain_no_room(source, target, [])
    assert not explain_no_room(source, target, [], has_slot=True)


def test_says_what_is_wanting_where_no_group_is_there_to_make_room() -> None:
    running = Expansion(1, (GROUP,), 1, 2, is_finished=False, started_at=NOW)
    owner = Shard("s0", timeline=1, has_synchronous_standby=True, shard_map=SOURCE.shard_map)
    shards = {"s0": owner, "s1": Shard("s1", timeline=1, has_synchronous_standby=True, spare_workers=1)}
    decision = decide_expansion(running, shards, Pace(1, 0.0, None, is_paused=False, needs_standby=True), NOW)
    assert isinstance(decision, Wait)
    assert decision.reason == "NoRoomForCopies"
    assert "s1 has 1 logical replication workers to spare, and a copy needs 2" in decision.message


def test_copies_that_run_count_for_a_worker_and_a_slot_more() -> None:
    source, target = replace(SOURCE, spare_slots=7), replace(TARGET, spare_workers=3)
    assert not explain_no_room(source, target, [GROUP])
    assert explain_no_room(source, replace(target, spare_workers=2), [GROUP]).startswith("s1 has 1")
    assert explain_no_room(replace(source, spare_slots=6), target, [GROUP]).startswith("s0 has 5 replication slots")


def test_each_route_copies_at_the_same_time() -> None:
    decision = begin_copies(None)
    assert isinstance(decision, Plan)
    assert isinstance(decision.steps[-1], Subscribe)
    assert decision.steps[-1].group.number == 2


def test_no_more_copies_than_were_asked_for_run_at_a_time() -> None:
    decision = begin_copies(1)
    assert isinstance(decision, Wait)
    assert decision.reason == "Copying"
    assert isinstance(begin_copies(2), Plan)


FIRST, SECOND = Bucket("aircraft", 3), Bucket("aircraft", 4)
WAITING = replace(GROUP, number=2, buckets=(4,))
VERIFIED = GroupRecord(1, 1, NOW, NOW, is_indexed=True, is_verified=True)
FROM = replace(
    SOURCE,
    shard_map={SECOND: Claim("s0", 1)},
    publications=frozenset([WAITING.link]),
    slots={WAITING.link: 10},
    sentinels=frozenset([WAITING.sentinel]),
)
TO = replace(
    TARGET,
    leaves=dict.fromkeys(WAITING.leaves, LeafState(Attachment.LOOSE)),
    subscriptions={WAITING.link: Subscription(True, 4, 4, True)},
    sentinels=frozenset([WAITING.sentinel]),
    records={(1, 2): VERIFIED},
)


def switch_next(since_seconds: float, pause_seconds: float) -> Decision:
    """The second of two groups may be switched; the first was so long ago."""
    source = replace(FROM, shard_map={**FROM.shard_map, FIRST: Claim("s1", 2)})
    switched = replace(VERIFIED, switched_at=NOW - timedelta(seconds=since_seconds))
    target = replace(TO, shard_map={FIRST: Claim("s1", 2)}, records={**TO.records, (1, 1): switched})
    return decide_switch((GROUP, WAITING), source, target, pause_seconds)


def decide_switch(groups: tuple[SwitchGroup, ...], source: Shard, target: Shard, pause_seconds: float) -> Decision:
    running = Expansion(1, groups, 1, 2, is_finished=False, started_at=NOW)
    pace = Pace(2, pause_seconds, None, is_paused=False, needs_standby=True)
    return decide_expansion(running, {"s0": source, "s1": target}, pace, NOW)


@pytest.mark.parametrize(("since", "pause", "left"), [(0, 30, 30), (20, 30, 10), (29.5, 30, 0.5)])
def test_a_switch_waits_for_the_pause_since_the_one_before(since: float, pause: float, left: float) -> None:
    decision = switch_next(since, pause)
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.seconds) == ("PausedBetweenGroups", left)


@pytest.mark.parametrize(("since", "pause"), [(30, 30), (31, 30), (0, 0)])
def test_a_switch_that_is_due_waits_for_nothing(since: float, pause: float) -> None:
    assert switches(switch_next(since, pause))


def test_the_first_switch_waits_for_no_pause() -> None:
    assert switches(decide_switch((WAITING,), FROM, TO, pause_seconds=30))


def switches(decision: Decision) -> bool:
    return isinstance(decision, Plan) and [type(step) for step in decision.steps] == [Fence, OpenTarget]
