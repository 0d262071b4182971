"""The online expansion: what comes next, given what each switch group has reached. Pure.

Nothing is remembered between two looks: a group's stage is read from the catalogs of its two shards, from the record on its target, and
from the two shards' maps. So a crash after any step, of anything, is followed by a fresh plan from what is there.

What must hold:
- a bucket has one owner: the source's map says "target" only once the fence is committed, its gates raised with it, and the target
  claims only after that;
- a copy counts only while both primaries are on the timelines on which it began: logical slots do not survive a failover, and an apply
  worker confirms what only its own primary has flushed. After the fence is committed that no longer matters: everything is durable on the target;
- what is made is recorded before it is made, and everything made is gone at the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from caisson_operator.core.decisions import Decision, Plan, Settled, Step, Wait, decide_first
from caisson_operator.core.layout import SwitchGroup, TableGroup

from . import steps
from .copy_room import explain_no_room
from .observed import Expansion, Shard, owners
from .open_transactions import wait_for_prepared, wait_for_transactions
from .placement import Move, form_switch_groups, plan_moves
from .switch_groups import GroupView, Stage, read_stage, view_groups
from .table_faults import find_fault

MAX_LAG_BYTES = 1_000_000  # a fence drains what is left: about ten milliseconds of WAL
LOOK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What the resource says about how an expansion may go."""

    switch_groups: int
    pause_between_groups_seconds: float
    max_parallel_copies: int | None
    """None: as many as there are routes."""
    is_paused: bool
    needs_standby: bool


def plan_expansion(
    groups: Mapping[str, TableGroup], shards: Mapping[str, Shard], wanted: Sequence[str], number: int, pace: Pace
) -> tuple[SwitchGroup, ...]:
    """The switch groups that would balance every table group over the wanted shards; empty when all is balanced."""
    held = owners(shards)
    moves: list[Move] = []
    for group in groups.values():
        moves.extend(plan_moves({b: held[b] for b in group.all_buckets()}, wanted))
    return form_switch_groups(number, moves, groups, pace.switch_groups)


def decide_expansion(expansion: Expansion, shards: Mapping[str, Shard], pace: Pace, now: datetime) -> Decision:
    """The next steps of an expansion that has been recorded and is not finished."""
    views = view_groups(expansion, shards)
    stages = {view.group.number: read_stage(view) for view in views}

    def at(*wanted: Stage) -> tuple[GroupView, ...]:
        return tuple(view for view in views if stages[view.group.number] in wanted)

    checks = (
        lambda: decide_roll_forward(expansion, shards),
        lambda: _clean(at(Stage.OPEN)),
        lambda: _finish(expansion, shards, views, at(Stage.MOVED)),
        lambda: Wait("Paused", "spec.expansion.paused is true", 10) if pace.is_paused else Settled(),
        lambda: _reset(at(Stage.STALE)),
        lambda: _wait_for_fit_tables(views),
        lambda: _copy(at(Stage.ABSENT, Stage.PREPARING), at(Stage.COPYING), pace),
        lambda: _index(at(Stage.INDEXING)),
        lambda: _wait_for_slots(at(Stage.PREPARING)),
        lambda: _wait_for_copies(at(Stage.COPYING)),
        lambda: _verify(at(Stage.SYNCED)),
        lambda: _wait_for_shards(expansion, views),
        lambda: _wait_for_slots(view for view in at(Stage.ABSENT) if _has_room(view, ())),
        lambda: _wait_for_room(at(Stage.ABSENT, Stage.PREPARING), at(Stage.VERIFIED)),
        lambda: _switch(at(Stage.VERIFIED), views, pace, now),
    )
    decision = decide_first(*checks)
    if isinstance(decision, Settled):
        raise AssertionError(f"an expansion with no way forward: {stages}")
    return decision


def decide_roll_forward(expansion: Expansion, shards: Mapping[str, Shard]) -> Decision:
    """What nothing else may keep waiting: between a fence and the opening of its target a bucket takes no writes."""
    fenced = tuple(view for view in view_groups(expansion, shards) if read_stage(view) is Stage.FENCED)
    return decide_first(lambda: _end_fences(shards), lambda: _open(fenced))


def settle_gates(shards: Mapping[str, Shard]) -> Decision:
    """A bucket whose gate and map are apart takes no writes: nobody knows an epoch that passes."""
    apart = tuple(steps.SettleGates(shard.name) for shard in shards.values() if shard.unsettled_gates)
    message = "a crash came between a gate and the map; bringing both together"
    return Plan(apart, "SettlingGates", message) if apart else Settled()


def _end_fences(shards: Mapping[str, Shard]) -> Decision:
    held = tuple(steps.EndFences(shard.name) for shard in shards.values() if shard.open_fences)
    message = "a fence was left open by a holder that is gone; ending it to learn its outcome"
    return Plan(held, "EndingFence", message) if held else Settled()


def _open(fenced: Sequence[GroupView]) -> Decision:
    todo = tuple(steps.OpenTarget(view.group) for view in fenced)
    return Plan(todo, "RollingForward", "a fence is committed: opening its target") if todo else Settled()


def _clean(opened: Sequence[GroupView]) -> Decision:
    for view in opened:
        return _plan_needed(view.cleaning(), "Cleaning", f"removing the old side of switch group {view.group.number}")
    return Settled()


def _finish(
    expansion: Expansion, shards: Mapping[str, Shard], views: Sequence[GroupView], moved: Sequence[GroupView]
) -> Decision:
    if len(moved) < len(expansion.groups):
        return Settled()
    pauses = tuple(v.record.pause_milliseconds for v in views if v.record and v.record.pause_milliseconds is not None)
    sweep = tuple(steps.DropSyncSlots(name, tuple(shards)) for name in shards)
    finish = steps.FinishExpansion(min(shards), expansion.number, pauses)
    return Plan((*sweep, finish), "Finishing", "every bucket has moved and nothing is left to clean")


def _wait_for_fit_tables(views: Sequence[GroupView]) -> Decision:
    """Whoever changes a table by hand meanwhile: what an ATTACH would refuse must not come to light behind a committed fence."""
    sharded = {table.name for view in views for table in view.group.tables.tables}
    for view in views:
        for shard in (view.source, view.target):
            for table in view.group.tables.tables:
                found = shard.tables.get(table.name)
                if found and (fault := find_fault(table, found, sharded)):
                    return Wait(fault.reason, f"on {shard.name}: {fault.message}", 10)
    return Settled()


def _reset(stale: Sequence[GroupView]) -> Decision:
    for view in stale:
        message = f"switch group {view.group.number} is copied again: a primary has changed since its copy began"
        return _plan_needed(view.resetting(), "CopyingAgain", message)
    return Settled()


def _copy(waiting: Sequence[GroupView], copying: Sequence[GroupView], pace: Pace) -> Decision:
    """One copy at a time on each route from a source to a target, so that the load on a primary stays bounded.

    Whatever finds no room waits until others have switched, and what lacks a slot until transactions on its source have ended.
    """
    if pace.max_parallel_copies is not None and len(copying) >= pace.max_parallel_copies:
        return Settled()
    busy = {(view.group.source, view.group.target) for view in copying}
    for view in waiting:
        is_route_free = (view.group.source, view.group.target) not in busy
        if is_route_free and _has_room(view, copying) and isinstance(_wait_for_slot(view), Settled):
            return _plan_needed(view.preparing(), "Copying", f"starting the copy of switch group {view.group.number}")
    return Settled()


def _has_room(view: GroupView, copying: Sequence[GroupView]) -> bool:
    """What a group that is subscribed needs is counted already. One that has only begun has no worker yet: others may have taken it."""
    return view.group.link in view.target.subscriptions or not _explain_no_room(view, copying)


def _wait_for_slot(view: GroupView) -> Decision:
    return Settled() if view.has_slot else wait_for_transactions(view.source)


def _explain_no_room(view: GroupView, copying: Sequence[GroupView]) -> str:
    return explain_no_room(view.source, view.target, (other.group for other in copying), view.has_slot)


def _index(copied: Sequence[GroupView]) -> Decision:
    for view in copied:
        message = f"building the indexes of switch group {view.group.number}"
        return Plan((steps.BuildIndexes(view.group),), "BuildingIndexes", message)
    return Settled()


def _wait_for_slots(waiting: Iterable[GroupView]) -> Decision:
    return decide_first(*(partial(_wait_for_slot, view) for view in waiting))


def _wait_for_copies(copying: Sequence[GroupView]) -> Decision:
    """Each table of a copy has a slot of its own while it is copied, so those that are not begun wait for transactions too."""
    message = f"{len(copying)} switch groups are being copied"
    holds = decide_first(*(partial(wait_for_transactions, view.source) for view in copying))
    if isinstance(holds, Wait):
        message += f"; tables whose turn comes now may wait: {holds.message}"
    return Wait("Copying", message, LOOK_AGAIN_SECONDS) if copying else Settled()


def _wait_for_shards(expansion: Expansion, views: Sequence[GroupView]) -> Decision:
    if len(views) == len(expansion.groups):
        return Settled()
    return Wait("ShardsNotReady", "a shard of this expansion has no primary that can be reached", 1)


def _wait_for_room(waiting: Sequence[GroupView], verified: Sequence[GroupView]) -> Decision:
    """Where a group can switch, that makes room."""
    if verified or not waiting:
        return Settled()
    return Wait("NoRoomForCopies", _explain_no_room(waiting[0], ()), LOOK_AGAIN_SECONDS)


def _verify(synced: Sequence[GroupView]) -> Decision:
    for view in synced:
        if view.lag_bytes > MAX_LAG_BYTES:
            message = f"switch group {view.group.number} is {view.lag_bytes} bytes behind its source"
            return Wait("CatchingUp", message, LOOK_AGAIN_SECONDS)
        return Plan((steps.Verify(view.group),), "Verifying", f"comparing switch group {view.group.number} row by row")
    return Settled()


def _switch(verified: Sequence[GroupView], views: Sequence[GroupView], pace: Pace, now: datetime) -> Decision:
    """The next group, once nothing stands against it: a fence whose commit is lost in a failover makes two owners."""
    view = verified[0]
    group = view.group
    for shard in (view.source, view.target):
        if pace.needs_standby and not shard.has_synchronous_standby:
            return Wait("NoSynchronousStandby", f"{shard.name} has no synchronous standby: switching waits for one", 1)
    prepared = wait_for_prepared(view.source)
    if isinstance(prepared, Wait):
        return prepared
    if view.lag_bytes > MAX_LAG_BYTES:
        return Wait("CatchingUp", f"switch group {group.number} is {view.lag_bytes} bytes behind", LOOK_AGAIN_SECONDS)
    rest = _seconds_to_rest(views, pace, now)
    if rest > 0:
        return Wait("PausedBetweenGroups", f"the next switch group is due in {rest:.1f} s", rest)
    fence = (steps.Fence(group), steps.OpenTarget(group))
    return Plan(fence, "Switching", f"switching group {group.number} from {group.source} to {group.target}")


def _seconds_to_rest(views: Sequence[GroupView], pace: Pace, now: datetime) -> float:
    switched = [view.record.switched_at for view in views if view.record and view.record.switched_at]
    if not switched:
        return 0.0
    return pace.pause_between_groups_seconds - (now - max(switched)).total_seconds()


def _plan_needed(parts: Iterable[tuple[bool, Step]], reason: str, message: str) -> Decision:
    return Plan(tuple(step for needed, step in parts if needed), reason, message)
