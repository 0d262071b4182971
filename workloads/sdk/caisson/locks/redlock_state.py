"""What several independent servers together say of a lock space. Pure."""

from collections.abc import Iterable, Sequence

from caisson.locks.store import Holder, LockState, SpaceState


def merge_states(states: Sequence[SpaceState], majority: int) -> SpaceState:
    """Who holds on a majority holds; the totals and the epoch are the greatest that one has seen."""
    names = sorted({lock.name for state in states for lock in state.locks})
    merged = (
        _merge(name, [lock for state in states for lock in state.locks if lock.name == name], majority)
        for name in names
    )
    return SpaceState(
        max(state.epoch for state in states),
        max(state.granted_total for state in states),
        max(state.waited_total for state in states),
        tuple(lock for lock in merged if lock.holders or lock.waiting),
    )


def _merge(name: str, locks: Sequence[LockState], majority: int) -> LockState:
    owners = dict.fromkeys(holder.owner for lock in locks for holder in lock.holders)
    by_owner = {owner: [h for lock in locks for h in lock.holders if h.owner == owner] for owner in owners}
    holders = tuple(_newest(found) for found in by_owner.values() if len(found) >= majority)
    waiting = tuple(dict.fromkeys(owner for lock in locks for owner in lock.waiting))
    return LockState(name, holders, waiting)


def _newest(found: Iterable[Holder]) -> Holder:
    """The token that was recorded last; a minority may not have recorded it."""
    return max(found, key=lambda holder: holder.token)
