"""The fake of effects/postgres/copying.py and verification.py. Each `yield` stands between two transactions of the real one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import Leaf, SwitchGroup
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.observed import Attachment, GroupRecord, LeafState

from .access import Access, last_beat, send_beat
from .catalog import Feed
from .server import EngineError, Server

_SYNC_SLOT = re.compile(r"^pg_\d+_sync_\d+_1$")  # of a database's own systems, which are all 1 here


def create_target_leaves(access: Access, step: steps.CreateTargetLeaves) -> Iterator[str]:
    target = access.target(step.group)
    for leaf in step.group.leaves:
        target.live.leaves.setdefault(leaf, LeafState(Attachment.LOOSE))
    target.live.sentinels |= {step.group.sentinel}
    target.commit()
    yield "leaves made"


def create_publication(access: Access, step: steps.CreatePublication) -> Iterator[str]:
    source, group = access.source(step.group), step.group
    source.live.sentinels |= {group.sentinel}
    for leaf in group.leaves:
        if leaf not in source.live.leaves:
            raise EngineError(f"42P01: {leaf.name} does not exist on {source.name}")
    source.live.publications.setdefault(group.link, frozenset(_tables(group)))
    source.commit()
    yield "published"


def create_slot(access: Access, step: steps.CreateSlot) -> Iterator[str]:
    source = access.source(step.group)
    if step.group.link not in source.slots and (source.busy or source.prepared_transactions):
        raise HeldUp("LongTransaction", f"transactions on {source.name} that write stay open", 2)
    source.slots.setdefault(step.group.link, len(source.live.log))
    yield "slot made"


def subscribe(access: Access, step: steps.Subscribe) -> Iterator[str]:
    target, group = access.target(step.group), step.group
    source = access.source(group)
    if group.link not in target.live.feeds:
        published = source.live.publications.get(group.link, frozenset())
        target.live.feeds[group.link] = Feed(group.source, 0, dict.fromkeys(sorted(published)))
        target.commit()
    yield "subscribed"


def build_indexes(access: Access, step: steps.BuildIndexes) -> Iterator[str]:
    _update(access, step.group, lambda r: replace(r, copied_at=r.copied_at or access.cluster.now))
    yield "copied"
    _update(access, step.group, lambda r: replace(r, is_indexed=True))
    yield "indexed"


def verify(access: Access, step: steps.Verify) -> Iterator[str]:
    """Rows that differ are looked at again once the subscription has passed what was committed before."""
    group, key = step.group, (step.group.expansion, step.group.number)
    mismatches = 0
    for leaf in group.leaves:
        if _differing(access, group, leaf):
            access.pass_through(group, send_beat(access.source(group), group))
        found = _differing(access, group, leaf)
        mismatches += found
        if not found:
            target = access.target(group)
            target.live.verified |= {(*key, leaf.name)}
            target.commit()
            yield "leaf verified"
    rows = sum(len(access.target(group).live.rows.get(leaf.name, {})) for leaf in group.leaves)
    _update(access, group, lambda r: replace(r, mismatches=mismatches, is_verified=mismatches == 0, rows=rows))
    yield "verified"
    if mismatches:
        raise HeldUp("RowsDiffer", f"{mismatches} rows of switch group {group.number} differ", 5)


def detach_source(access: Access, step: steps.DetachSource) -> Iterator[str]:
    """DETACH CONCURRENTLY: two transactions with a wait for older snapshots between them; FINALIZE waits too."""
    for leaf in step.group.leaves:
        source = access.source(step.group)
        state = source.live.leaves.get(leaf, LeafState())
        if state.attachment is Attachment.ATTACHED:
            _begin_detach(source, leaf)
            yield "detach pending"
            source = access.source(step.group)
        if state.attachment in (Attachment.ATTACHED, Attachment.DETACHING):
            if source.has_long_reader:
                raise HeldUp("DetachHeldUp", f"a long transaction on {source.name} holds up the detaching", 2)
            source.live.leaves[leaf] = LeafState(Attachment.LOOSE, state.is_tombstoned)
            source.commit()
            yield "detached"


def unsubscribe(access: Access, step: steps.Unsubscribe) -> Iterator[str]:
    """A copy that is cut off leaves a slot behind that PostgreSQL itself had made for it."""
    link = step.group.link
    for change in ({"is_enabled": False}, {"has_slot": False}):
        target = access.target(step.group)
        feed = target.live.feeds.get(link)
        if feed is None:
            return
        if not feed.is_ready and link in (source := access.cluster.servers[feed.source]).slots:
            source.slots.setdefault(f"pg_{step.group.number}_sync_1_1", source.slots[link])
        target.live.feeds[link] = replace(feed, **change)  # type: ignore[arg-type]
        target.commit()
        yield "subscription off"
    target = access.target(step.group)
    target.live.feeds.pop(link, None)
    target.commit()
    yield "unsubscribed"


def drop_slot(access: Access, step: steps.DropSlot) -> Iterator[str]:
    access.source(step.group).slots.pop(step.group.link, None)
    yield "slot dropped"


def drop_sync_slots(access: Access, step: steps.DropSyncSlots) -> Iterator[str]:
    server = access.on(step.shard)
    server.slots = {name: at for name, at in server.slots.items() if not _SYNC_SLOT.match(name)}
    yield "sync slots dropped"


def drop_publication(access: Access, step: steps.DropPublication) -> Iterator[str]:
    source = access.source(step.group)
    source.live.publications.pop(step.group.link, None)
    source.commit()
    yield "publication dropped"


def drop_leaves(access: Access, shard: str, group: SwitchGroup) -> Iterator[str]:
    """Loose ones only: somebody may own an attached one."""
    for leaf in group.leaves:
        server = access.on(shard)
        if server.live.leaves.get(leaf, LeafState()).attachment is Attachment.LOOSE:
            del server.live.leaves[leaf]
            server.live.rows.pop(leaf.name, None)
            server.commit()
            yield "leaf dropped"


def drop_sentinels(access: Access, step: steps.DropSentinels) -> Iterator[str]:
    for shard in (step.group.source, step.group.target):
        server = access.on(shard)
        server.live.sentinels -= {step.group.sentinel}
        server.live.rows.pop(step.group.sentinel, None)
        server.commit()
        yield "sentinel dropped"


def _begin_detach(source: Server, leaf: Leaf) -> None:
    pending = [
        other
        for other, state in source.live.leaves.items()
        if state.attachment is Attachment.DETACHING and (other.schema, other.table) == (leaf.schema, leaf.table)
    ]
    if pending:
        raise EngineError(f"55000: {pending[0].name} is already pending detach from {leaf.table}")
    source.live.leaves[leaf] = replace(source.live.leaves[leaf], attachment=Attachment.DETACHING)
    source.commit()


def _differing(access: Access, group: SwitchGroup, leaf: Leaf) -> int:
    source, target = access.source(group), access.target(group)
    last_beat(source, group)
    left, right = source.live.rows.get(leaf.name, {}), target.live.rows.get(leaf.name, {})
    return len(left.items() ^ right.items())


def _update(access: Access, group: SwitchGroup, change: Callable[[GroupRecord], GroupRecord]) -> None:
    """An UPDATE: nothing happens where there is no such record."""
    target, key = access.target(group), (group.expansion, group.number)
    if key in target.live.records:
        target.live.records[key] = change(target.live.records[key])
    target.commit()


def _tables(group: SwitchGroup) -> list[str]:
    return [*(leaf.name for leaf in group.leaves), group.sentinel]
