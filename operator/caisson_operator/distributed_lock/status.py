"""The whole status, from what was observed. Pure. Says never more than was seen."""

from datetime import timedelta

from caisson_operator.api.conditions import FALSE, TRUE, build_condition
from caisson_operator.api.distributed_lock_status import MOST_LOCKS, DistributedLockStatus, LockView
from caisson_operator.api.status import Binding, Condition
from caisson_operator.core.conditions import ConditionStatus, ConditionType
from caisson_operator.core.decisions import Decision, Refuse, Settled
from caisson_operator.core.lock_space import Lock, SpaceView
from caisson_operator.core.quantities import format_duration

from .observed import Observed
from .releasing import follow_release
from .wanted import Wanted

LONGEST_NAME = 512


def build_status(wanted: Wanted, observed: Observed, decision: Decision) -> DistributedLockStatus:
    space = observed.space if observed.space and observed.space.is_open else None
    has_binding = ("Secret", wanted.binding) in observed.contents
    locks = space.locks if space else ()
    return DistributedLockStatus(
        conditions=_build_conditions(wanted, observed, decision),
        binding=Binding(name=wanted.binding) if has_binding else None,
        held=sum(bool(lock.holders) for lock in locks) if space else None,
        waiting=sum(len(lock.waiting) for lock in locks) if space else None,
        longest_hold=format_duration(max(map(_held_seconds, locks), default=0)) if space else None,
        longest_wait=format_duration(observed.longest_wait_seconds) if space else None,
        contention=_contention(space, observed) if space else None,
        granted=space.granted if space else None,
        waited=space.waited if space else None,
        epoch=max(observed.told_epoch, space.epoch if space else 0) or None,
        locks=tuple(_view(lock, observed) for lock in choose_locks(locks)),
        release=follow_release(wanted, observed, decision),
    )


def choose_locks(locks: tuple[Lock, ...]) -> list[Lock]:
    """Those that are waited for most, then those held longest."""
    return sorted(locks, key=lambda lock: (-len(lock.waiting), -_held_seconds(lock), lock.name))[:MOST_LOCKS]


def _held_seconds(lock: Lock) -> float:
    return max((holder.held_seconds for holder in lock.holders), default=0.0)


def _view(lock: Lock, observed: Observed) -> LockView:
    first = max(lock.holders, key=lambda holder: holder.held_seconds, default=None)
    return LockView(
        name=lock.name[:LONGEST_NAME],
        mode=first.mode if first else None,
        held=len(lock.holders),
        waiting=len(lock.waiting),
        owner=first.owner[:LONGEST_NAME] if first else None,
        token=first.token if first else None,
        held_since=observed.now - timedelta(seconds=first.held_seconds) if first else None,
    )


def _contention(space: SpaceView, observed: Observed) -> int:
    """Since the last look; where nothing was granted since, as it was told then."""
    granted = space.granted - int(observed.status.get("granted") or 0)
    waited = space.waited - int(observed.status.get("waited") or 0)
    if granted <= 0 or waited < 0:
        return int(observed.status.get("contention") or 0)
    return min(100, round(100 * waited / granted))


def _build_conditions(wanted: Wanted, observed: Observed, decision: Decision) -> tuple[Condition, ...]:
    return (
        _ready(wanted, observed, decision),
        _backend_ready(wanted, observed),
        _degraded(decision),
        _stale_holder(wanted, observed),
    )


def _ready(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    is_bound = ("Secret", wanted.binding) in observed.contents
    if observed.trouble is None and observed.space is not None and observed.space.is_open and is_bound:
        return build_condition(ConditionType.READY, TRUE, "Serving", f"locks are kept in {_name(wanted)}")
    if observed.trouble is not None:
        return build_condition(ConditionType.READY, FALSE, observed.trouble.reason, observed.trouble.message)
    reason, message = ("Opening", "the lock space is being opened")
    if not isinstance(decision, Settled):
        reason, message = decision.reason, decision.message
    return build_condition(ConditionType.READY, FALSE, reason, message)


def _backend_ready(wanted: Wanted, observed: Observed) -> Condition:
    if observed.trouble is not None:
        return build_condition(ConditionType.BACKEND_READY, FALSE, observed.trouble.reason, observed.trouble.message)
    return build_condition(ConditionType.BACKEND_READY, TRUE, "BackendServes", f"{_name(wanted)} answers")


def _degraded(decision: Decision) -> Condition:
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.DEGRADED, TRUE, decision.reason, decision.message)
    return build_condition(ConditionType.DEGRADED, FALSE, "AsWanted", "nothing is known to be wrong")


def _stale_holder(wanted: Wanted, observed: Observed) -> Condition:
    """A holder gives a lock up by itself at maxHold, and is forgotten a lease later even if it cannot: whoever is still
    there then does not keep to the policy. Without a look at the store nothing is known."""
    if wanted.max_hold_seconds is None:
        return build_condition(ConditionType.STALE_HOLDER, FALSE, "NoLimit", "maxHold is not set")
    if observed.space is None:
        return build_condition(ConditionType.STALE_HOLDER, ConditionStatus.UNKNOWN, "NotSeen", "the store was not seen")
    limit = wanted.max_hold_seconds + wanted.lease_seconds
    stale = [
        (lock.name[:64], holder)
        for lock in observed.space.locks
        for holder in lock.holders
        if holder.held_seconds > limit
    ]
    if not stale:
        return build_condition(ConditionType.STALE_HOLDER, FALSE, "NoneSeen", "nobody holds a lock past maxHold")
    told = ", ".join(
        f"{name} by {holder.owner} for {format_duration(holder.held_seconds)}" for name, holder in stale[:5]
    )
    message = f"{len(stale)} held past maxHold and a lease: {told}. kubectl caisson lock release takes them away"
    return build_condition(ConditionType.STALE_HOLDER, TRUE, "HeldPastMaxHold", message)


def _name(wanted: Wanted) -> str:
    if wanted.is_secret:
        return f"the database of Secret {wanted.reference}"
    return f"{'ShardedDatabase' if wanted.is_database else 'BackingCluster'} {wanted.reference}"
