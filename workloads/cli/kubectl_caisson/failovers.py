"""`failovers`: the history that the operator keeps, newest first. Pure."""

from .layout import format_seconds, render_table
from .resource import Database, Failover

_HEADER = ("AT", "SHARD", "FROM", "TO", "TIMELINE", "TOOK", "LOST", "CAUSE")


def render_failovers(database: Database) -> str:
    if not database.failovers:
        return f"no failover of {database.namespace}/{database.name} is on record"
    return "\n".join(render_table(_HEADER, [_row(failover) for failover in database.failovers]))


def _row(failover: Failover) -> tuple[object, ...]:
    return (
        failover.at and failover.at.strftime("%Y-%m-%d %H:%M:%SZ"),
        failover.shard,
        failover.origin,
        failover.successor,
        _describe_timelines(failover),
        None if failover.duration_seconds is None else format_seconds(failover.duration_seconds),
        failover.lost,
        failover.cause,
    )


def _describe_timelines(failover: Failover) -> str | None:
    before, after = failover.timeline_before, failover.timeline_after
    if before is None and after is None:
        return None
    return f"{'?' if before is None else before} -> {'?' if after is None else after}"
