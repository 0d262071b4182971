"""The fake of effects/postgres/fence.py and opening.py. Between two `yield`s nothing else happens; at one, everything may."""

from collections.abc import Iterator
from dataclasses import replace

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import SwitchGroup
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.observed import Attachment, Claim, LeafState

from .access import Access, last_beat, send_beat
from .catalog import Catalog
from .server import EngineError, OpenFence, Server, SessionLost


def fence(access: Access, step: steps.Fence) -> Iterator[str]:
    group = step.group
    access.pass_through(group, send_beat(access.source(group), group))
    _check_timelines(access, group)
    yield "before lock"
    source, target = access.source(group), access.target(group)
    sessions = (source.timeline, target.timeline)
    held = _close_source(access, source, group)
    yield "after lock"
    _must_hold(access, held, sessions)
    try:
        access.pass_through(group, send_beat(source, group))
    except (HeldUp, EngineError):
        source.fences.remove(held)
        raise
    if access.cluster.guards.has_durable_target:
        target.commit()
    yield "after durable write"
    _must_hold_source(access, held)
    if access.cluster.guards.has_gates:
        _raise_gates(source, group, by=_rise(access))
    yield "gates raised"
    _must_hold_source(access, held)
    held.is_committing = True
    source.commit_locally()
    yield "commit under way"
    _must_hold_source(access, held)
    source.finish_fence(held)
    yield "after commit"


def open_target(access: Access, step: steps.OpenTarget) -> Iterator[str]:
    group = step.group
    source = access.source(group)
    if last_beat(access.target(group), group) < last_beat(source, group):
        raise HeldUp("Draining", f"{group.target} has not applied the last changes of {group.source} yet", 0.05)
    epochs = {bucket: claim.epoch for bucket, claim in source.live.shard_map.items() if _moves(group, bucket)}
    yield "epochs read"
    target = access.target(group)
    for leaf in group.leaves:
        state = target.live.leaves.get(leaf, LeafState())
        if state.attachment is Attachment.ABSENT:
            raise EngineError(f"42P01: {leaf.name} does not exist on {target.name}")
    if not access.cluster.guards.has_claim_first:
        target.live.gates.update(epochs)
        target.commit()
        yield "gates first"
        target = access.target(group)
    for leaf in group.leaves:
        target.live.leaves[leaf] = replace(target.live.leaves[leaf], attachment=Attachment.ATTACHED)
    target.commit_locally()
    timeline = target.timeline
    yield "attached"
    target = access.target(group)
    if target.timeline != timeline:
        raise SessionLost(f"the target of switch group {group.number} has gone")
    for bucket, epoch in epochs.items():
        if target.live.shard_map.get(bucket, Claim("", 0)).epoch <= epoch:
            target.live.shard_map[bucket] = Claim(group.target, epoch)
    key = (group.expansion, group.number)
    if key in target.live.records:
        target.live.records[key] = replace(target.live.records[key], switched_at=access.cluster.now)
    target.commit_locally()
    yield "claimed"
    target = access.target(group)
    _raise_gates(target, group)
    target.commit_locally()
    yield "opened"


def settle_gates(access: Access, step: steps.SettleGates) -> Iterator[str]:
    server = access.on(step.shard)
    mine = {bucket: claim for bucket, claim in server.live.shard_map.items() if claim.owner == server.name}
    for bucket, claim in mine.items():
        epoch = max(claim.epoch, server.live.gates.get(bucket, 0))
        server.live.shard_map[bucket] = replace(claim, epoch=epoch)
        server.live.gates[bucket] = epoch
    server.commit()
    yield "gates settled"


def end_fences(access: Access, step: steps.EndFences) -> Iterator[str]:
    server = access.on(step.shard)
    for held in list(server.fences):
        server.end_fence(held)
    yield "fences ended"


def _check_timelines(access: Access, group: SwitchGroup) -> None:
    record = access.target(group).live.records.get((group.expansion, group.number))
    now = (access.source(group).timeline, access.target(group).timeline)
    is_same = record is not None and (record.source_timeline, record.target_timeline) == now
    if access.cluster.guards.has_timeline_check and not is_same:
        raise HeldUp("TimelineChanged", f"a primary of switch group {group.number} has changed", 0)


def _close_source(access: Access, source: Server, group: SwitchGroup) -> OpenFence:
    """Whoever has touched a leaf and not ended is waited for: locks, and commits that no standby has yet."""
    if source.waiting or source.prepared_transactions or any(_moves(group, bucket) for bucket in source.busy):
        raise HeldUp("FenceHeldUp", f"open transactions on {group.source} use switch group {group.number}", 0.1)

    def commit(catalog: Catalog) -> None:
        for leaf in group.leaves:
            is_tombstoned = access.cluster.guards.has_tombstone
            catalog.leaves[leaf] = replace(catalog.leaves[leaf], is_tombstoned=is_tombstoned)
        for bucket, claim in catalog.shard_map.items():
            if _moves(group, bucket):
                catalog.shard_map[bucket] = Claim(group.target, claim.epoch + _rise(access))

    held = OpenFence(group, access.term, commit)
    source.fences.append(held)
    return held


def _must_hold(access: Access, held: OpenFence, sessions: tuple[int, int]) -> None:
    """These very sessions: none of them survives its server's demotion, or a later leader."""
    _must_hold_source(access, held)
    source, target = access.source(held.group), access.target(held.group)
    if (source.timeline, target.timeline) != sessions:
        source.end_fence(held)
        raise SessionLost(f"the target of switch group {held.group.number} has gone")


def _must_hold_source(access: Access, held: OpenFence) -> None:
    if held not in access.source(held.group).fences:
        raise SessionLost(f"the fence of switch group {held.group.number} is gone")


def _raise_gates(server: Server, group: SwitchGroup, by: int = 0) -> None:
    """At once and for good, whatever becomes of the transaction. `by`: what its change of the map adds, which does not show yet."""
    for bucket, claim in server.live.shard_map.items():
        if _moves(group, bucket):
            server.live.gates[bucket] = claim.epoch + by


def _rise(access: Access) -> int:
    return 1 if access.cluster.guards.has_rising_epochs else -1


def _moves(group: SwitchGroup, bucket: object) -> bool:
    return bucket in {b for b in group.tables.all_buckets() if b.number in group.buckets}
