"""The condition ClockRollback: whose wall clock went back, as the servers tell of themselves and the store of everybody. Pure."""

from datetime import UTC

from caisson_operator.api.conditions import FALSE, TRUE, UNKNOWN, build_condition
from caisson_operator.api.id_allocator_spec import Mode
from caisson_operator.api.status import Condition
from caisson_operator.core.conditions import ConditionType
from caisson_operator.core.rollbacks import TOLD_SECONDS, Rollback

from .observed import Observed
from .wanted import Wanted


def build_clock_rollback(wanted: Wanted, observed: Observed) -> Condition:
    """True while a server runs that has seen one, and for an hour after the last one that any process has noted in the store."""
    told = [*_tell_servers(observed), *_tell_notes(observed)]
    if wanted.mode is not Mode.SNOWFLAKE:
        return build_condition(
            ConditionType.CLOCK_ROLLBACK,
            FALSE,
            "NoneSeen",
            "ids of this mode do not go by a clock that could repeat them",
        )
    if told:
        message = (
            f"the wall clock went back of: {'; '.join(told)}. No id comes twice; within maxRollback ids go on from the last time, "
            "beyond it they are refused until the clock has caught up. Look at the time synchronisation of their nodes"
        )
        return build_condition(ConditionType.CLOCK_ROLLBACK, TRUE, "ClockWentBack", message)
    if observed.rollbacks_unknown:
        message = f"what processes note in the store cannot be read: {observed.rollbacks_unknown}"
        return build_condition(ConditionType.CLOCK_ROLLBACK, UNKNOWN, "StoreNotRead", message)
    return build_condition(
        ConditionType.CLOCK_ROLLBACK, FALSE, "NoneSeen", f"nobody has seen a clock go back within {TOLD_SECONDS:g} s"
    )


def _tell_servers(observed: Observed) -> list[str]:
    counts = {pod.name: pod.counts.clock_rollbacks for pod in observed.pods if pod.counts}
    return [f"server {name} ({count} times since its start)" for name, count in sorted(counts.items()) if count]


def _tell_notes(observed: Observed) -> list[str]:
    """Those of servers that were told of already are left out."""
    known = {pod.name for pod in observed.pods if pod.counts and pod.counts.clock_rollbacks}
    return [_tell(each) for each in observed.rollbacks if each.host not in known]


def _tell(note: Rollback) -> str:
    """No age: a message that differs at each look would be a change of the status at each look."""
    return (
        f"{note.teller} (worker id {note.worker}, {note.times} times since its start, by at most {note.furthest_seconds:g} s, "
        f"the last time at {note.seen_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"
    )
