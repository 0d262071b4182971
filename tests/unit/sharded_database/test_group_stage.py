"""A copy whose slot is lost cannot go on: the group is taken back and copied again."""

from dataclasses import replace

from caisson_operator.core.layout import Bucket, SwitchGroup
from caisson_operator.sharded_database.expansion import GroupView, Stage, read_stage
from caisson_operator.sharded_database.observed import (
    Attachment,
    Claim,
    GroupRecord,
    LeafState,
    Shard,
    Subscription,
)
from caisson_operator.sharded_database.steps import DropSlot, ForgetGroup
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
