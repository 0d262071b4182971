"""A switch group of an expansion: what it has reached, and what is missing on the way forward, or back to nothing. Pure.

Read from the catalogs of its two shards, from the record on its target, and from the two shards' maps: nothing else is remembered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import Bucket, SwitchGroup

from . import steps
from .observed import Attachment, Expansion, GroupRecord, Shard


class Stage(IntEnum):
    """In the order in which a group passes through them; STALE goes back to ABSENT."""

    STALE = 0
    ABSENT = 1
    PREPARING = 2
    COPYING = 3
    INDEXING = 4
    SYNCED = 5
    VERIFIED = 6
    FENCED = 7
    OPEN = 8
    MOVED = 9


@dataclass(frozen=True, slots=True)
class GroupView:
    """One switch group beside its two shards."""

    group: SwitchGroup
    source: Shard
    target: Shard

    @property
    def record(self) -> GroupRecord | None:
        return self.target.records.get((self.group.expansion, self.group.number))

    @property
    def lag_bytes(self) -> int:
        return self.source.slots.get(self.group.link, 0)

    @property
    def is_fenced(self) -> bool:
        claims = (self.source.shard_map.get(bucket) for bucket in self._buckets())
        return all(claim is not None and claim.owner == self.target.name for claim in claims)

    @property
    def is_open(self) -> bool:
        claims = self.target.claims()
        return self.is_fenced and all(bucket in claims for bucket in self._buckets())

    @property
    def has_changed_timeline(self) -> bool:
        record = self.record
        return record is not None and (record.source_timeline, record.target_timeline) != (
            self.source.timeline,
            self.target.timeline,
        )

    @property
    def has_slot(self) -> bool:
        return self.group.link in self.source.slots

    @property
    def has_lost_slot(self) -> bool:
        """The copy cannot go on where it stood: its slot is gone, or the WAL that it needs is."""
        link = self.group.link
        is_gone = link in self.target.subscriptions and not self.has_slot
        return is_gone or link in self.source.lost_slots

    @property
    def has_leftovers(self) -> bool:
        return any(needed for needed, _ in self.cleaning())

    def cleaning(self) -> tuple[tuple[bool, Step], ...]:
        """After the switch: what is still there, and the step that removes it, in the only safe order."""
        old = [self.source.leaf(leaf).attachment for leaf in self.group.leaves]
        return (
            (any(a in (Attachment.ATTACHED, Attachment.DETACHING) for a in old), steps.DetachSource(self.group)),
            *self._cutting(),
            (any(a is not Attachment.ABSENT for a in old), steps.DropSourceLeaves(self.group)),
            (self._has_sentinel, steps.DropSentinels(self.group)),
        )

    def resetting(self) -> tuple[tuple[bool, Step], ...]:
        """Before the switch, when the copy no longer counts: back to nothing, the record first.

        Half a reset must never look like half a preparation, which would subscribe leaves that hold rows already.
        """
        copies = [self.target.leaf(leaf).attachment for leaf in self.group.leaves]
        return (
            (self.record is not None, steps.ForgetGroup(self.group)),
            *self._cutting(),
            (any(a is Attachment.LOOSE for a in copies), steps.DropTargetLeaves(self.group)),
            (self._has_sentinel, steps.DropSentinels(self.group)),
        )

    def preparing(self) -> tuple[tuple[bool, Step], ...]:
        """Up to a running copy. A subscription made before its publication or slot applies nothing, silently."""
        group, link = self.group, self.group.link
        copies = [self.target.leaf(leaf).attachment for leaf in group.leaves]
        record = steps.RecordGroup(group, self.source.timeline, self.target.timeline)
        return (
            (self.record is None, record),
            (
                any(a is Attachment.ABSENT for a in copies) or group.sentinel not in self.target.sentinels,
                steps.CreateTargetLeaves(group),
            ),
            (
                link not in self.source.publications or group.sentinel not in self.source.sentinels,
                steps.CreatePublication(group),
            ),
            (not self.has_slot, steps.CreateSlot(group)),
            (link not in self.target.subscriptions, steps.Subscribe(group)),
        )

    def _cutting(self) -> tuple[tuple[bool, Step], ...]:
        link = self.group.link
        return (
            (link in self.target.subscriptions, steps.Unsubscribe(self.group)),
            (self.has_slot, steps.DropSlot(self.group)),
            (link in self.source.publications, steps.DropPublication(self.group)),
        )

    @property
    def _has_sentinel(self) -> bool:
        return self.group.sentinel in self.source.sentinels | self.target.sentinels

    def _buckets(self) -> Iterable[Bucket]:
        wanted = set(self.group.buckets)
        return [bucket for bucket in self.group.tables.all_buckets() if bucket.number in wanted]


def read_stage(view: GroupView) -> Stage:
    """What this group has reached, from what is there."""
    if view.is_open:
        return Stage.OPEN if view.has_leftovers else Stage.MOVED
    if view.is_fenced:
        return Stage.FENCED
    if view.record is None:
        return Stage.STALE if any(needed for needed, _ in view.resetting()) else Stage.ABSENT
    subscription = view.target.subscriptions.get(view.group.link)
    if view.has_changed_timeline or view.has_lost_slot:
        return Stage.STALE
    if subscription is None or any(needed for needed, _ in view.preparing()):
        return Stage.PREPARING
    if subscription.tables_ready < len(view.group.leaves) + 1:
        return Stage.COPYING
    if not view.record.is_indexed:
        return Stage.INDEXING
    return Stage.VERIFIED if view.record.is_verified else Stage.SYNCED


def view_groups(expansion: Expansion, shards: Mapping[str, Shard]) -> tuple[GroupView, ...]:
    """Those whose two shards can be seen; the others wait."""
    return tuple(
        GroupView(group, shards[group.source], shards[group.target])
        for group in expansion.groups
        if group.source in shards and group.target in shards
    )
