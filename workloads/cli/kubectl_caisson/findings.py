"""Which conditions a person should look at. Pure.

A condition of a type that this plugin does not know is always a finding: whether it is good or bad to be true cannot be
told, and silence would read as health.
"""

from collections.abc import Sequence
from datetime import datetime

from .layout import format_seconds, one_line
from .resource import Condition, Database

GOOD_WHEN_TRUE = frozenset({"Ready", "SchemaApplied", "BackendReady"})
GOOD_WHEN_FALSE = frozenset(
    {"Degraded", "Unprotected", "FailoverBlocked", "MemberLost", "LeaderLost", "ClockRollback", "StaleHolder"}
)
NEITHER = frozenset({"Progressing", "Expanding", "Updating"})


def is_finding(condition: Condition) -> bool:
    if condition.type in GOOD_WHEN_TRUE:
        return condition.status != "True"
    if condition.type in GOOD_WHEN_FALSE:
        return condition.status != "False"
    return condition.type not in NEITHER


def list_findings(database: Database) -> list[Condition]:
    return [condition for condition in database.conditions if is_finding(condition)]


def describe_finding(condition: Condition, now: datetime) -> str:
    since = f" (for {format_seconds((now - condition.since).total_seconds())})" if condition.since else ""
    return f"{condition.type} is {condition.status}: {condition.reason}: {one_line(condition.message)}{since}"


def describe_staleness(database: Database) -> str | None:
    """Why the status may not be believed yet."""
    if database.observed_generation is None:
        return "the operator has not looked at this database yet: is it running, and does it watch this namespace?"
    if not database.is_seen:
        seen, current = database.observed_generation, database.generation
        return (
            f"the operator has seen generation {seen}, and the spec is at {current}: what follows is of the older spec"
        )
    return None


def find_condition(conditions: Sequence[Condition], type: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type), None)
