"""Names of the standard conditions, and how a new set of them follows an old one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class ConditionType(StrEnum):
    READY = "Ready"
    PROGRESSING = "Progressing"
    SCHEMA_APPLIED = "SchemaApplied"
    EXPANDING = "Expanding"
    DEGRADED = "Degraded"
    UNPROTECTED = "Unprotected"
    FAILOVER_BLOCKED = "FailoverBlocked"
    UPDATING = "Updating"
    MEMBER_LOST = "MemberLost"
    LEADER_LOST = "LeaderLost"
    BACKEND_READY = "BackendReady"
    CLOCK_ROLLBACK = "ClockRollback"
    STALE_HOLDER = "StaleHolder"


# Reason of `Unprotected` where it is False for that: under `strict` nothing is acknowledged that one member alone has.
WRITES_WAIT = "WritesWait"

BAD_WHEN_TRUE = frozenset(
    [
        ConditionType.DEGRADED,
        ConditionType.UNPROTECTED,
        ConditionType.FAILOVER_BLOCKED,
        ConditionType.MEMBER_LOST,
        ConditionType.LEADER_LOST,
        ConditionType.CLOCK_ROLLBACK,
        ConditionType.STALE_HOLDER,
    ]
)


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition that has changed its status or its reason: worth one Event."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def is_warning(self) -> bool:
        """Some are bad when true; the others when they are false with a failure for a reason."""
        if self.type in BAD_WHEN_TRUE:
            return self.status == ConditionStatus.TRUE
        return self.status == ConditionStatus.FALSE and self.reason.endswith(("Failed", "Refused", "Invalid"))


def observed_transitions(
    previous: Iterable[Mapping[str, object]], current: Iterable[Mapping[str, object]]
) -> list[Transition]:
    """What has changed between two lists of conditions as they stand in a status. A first `False` is no news."""
    before = {condition["type"]: (condition["status"], condition["reason"]) for condition in previous}
    found = []
    for condition in current:
        kind, status, reason = (str(condition[name]) for name in ("type", "status", "reason"))
        if before.get(kind, (ConditionStatus.FALSE.value, reason)) != (status, reason):
            found.append(Transition(kind, status, reason, str(condition.get("message", ""))))
    return found


def keep_transition_times(
    previous: Iterable[Mapping[str, object]], current: Iterable[Mapping[str, object]], now: str
) -> list[dict[str, object]]:
    """Give each condition the time at which its status last changed: the old one's while the status is the same."""
    before = {condition["type"]: condition for condition in previous}
    kept = []
    for condition in current:
        old = before.get(condition["type"], {})
        same = old.get("status") == condition["status"] and "lastTransitionTime" in old
        kept.append({**condition, "lastTransitionTime": old["lastTransitionTime"] if same else now})
    return kept
