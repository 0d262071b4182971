"""The switch of one group behind a fence of milliseconds; opening.py has its other half, run right after it.

`fence` locks, tombstones and renames the owner on the source, drains the tail to the target and makes it durable there, raises the
source's gates, so that every client that still reads there finds out, and COMMITs: the one linearisation point. A crash before the COMMIT
leaves the source as it was; after it, the catalogs say so and the opening is repeated. Nobody is ever cancelled: where an open
transaction is in the way, the fence lets go and comes again.

Writers wait all the while, so every message counts, and every COMMIT that waits for a standby twice. Only two do: the durable write on
the target, and the fence's own.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import TOMBSTONE, SwitchGroup

from .beats import AWAIT, apply_too_slow, pass_through, send_beat
from .opening import RAISE_GATES
from .schema import identify
from .sessions import FENCE, Connection, Sessions, fetch_value

DRAIN_SECONDS = 1.5  # below the fence's own idle timeout: a drain that takes longer is given up, not killed
PREFLIGHT_SECONDS = 10.0

TIMELINE = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"


@dataclass(frozen=True, slots=True)
class Drill:
    """Seams for the controls of the tests: each switches one guard off, and the checker must then find the loss."""

    without_tombstone: bool = False
    without_durable_target: bool = False
    without_gates: bool = False
    at: Callable[[str], None] = lambda place: None


async def fence(sessions: Sessions, group: SwitchGroup, drill: Drill | None = None) -> float:
    """Steps 1 to 5. Returns when the pause began, on the monotonic clock.

    Raises HeldUp, with nothing changed, when open transactions or the apply worker are in the way.
    """
    drill = drill or Drill()
    warnings: list[str] = []
    async with (
        sessions.session(group.source, FENCE) as holder,
        sessions.session(group.source) as source,
        sessions.session(group.target) as target,
    ):
        holder.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
        await source.execute("SET synchronous_commit = local")  # for the sentinel alone, which no client relies on
        await pass_through(source, target, group, PREFLIGHT_SECONDS)
        await _check_timelines(holder, target, group)
        drill.at("before lock")
        began = time.monotonic()
        await _close_source(holder, group, drill)
        try:
            drill.at("after lock")
            await _drain(source, target, group, drill)
            drill.at("after durable write")
        except (HeldUp, psycopg.Error):
            with suppress(psycopg.Error):
                await holder.execute("ROLLBACK")
            raise
        await _commit(holder, group, drill)
        if any("synchronous replication" in warning for warning in warnings):
            raise ConnectionError(f"the fence on {group.source} was cut off before its standby had it: outcome unknown")
        drill.at("after commit")
    return began


async def end_fences(connection: Connection) -> None:
    """End what an earlier holder left, and wait until it is gone: a COMMIT that waits for its standby still reads as not committed."""
    if await fetch_value(connection, END_FENCES, (f"{FENCE}/%",)) is False:
        raise HeldUp("FenceNotEnded", "the backend of an earlier fence has not ended yet", 0.5)


async def _close_source(holder: Connection, group: SwitchGroup, drill: Drill) -> None:
    """Lock, tombstone and new owner in one transaction that stays open. An autovacuum gives way after deadlock_timeout.

    One message of the simple protocol. Never a pipeline: it ends with a Flush, which takes the server's idle timeout off
    again, and a leader that hangs would then keep writers waiting for good.
    """
    tombstones = [] if drill.without_tombstone else _tombstones(group)
    begin, move = (sql.SQL(text).format(**_literals(group)) for text in (BEGIN_FENCE, MOVE_OWNER))
    try:
        await holder.execute(sql.SQL(";").join([begin, *tombstones, move]))
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        await holder.execute("ROLLBACK")
        message = f"open transactions on {group.source} use the leaves of switch group {group.number}; waiting for them"
        raise HeldUp("FenceHeldUp", message, 0.1) from error


async def _drain(source: Connection, target: Connection, group: SwitchGroup, drill: Drill) -> None:
    """What the source has committed is on the target, and survives it: the target itself waits for the one and writes the other."""
    wait = await send_beat(source, group, DRAIN_SECONDS)
    numbers = {"expansion": group.expansion, "number": group.number}
    if not await fetch_value(target, AWAIT if drill.without_durable_target else PREPARE, wait | numbers):
        raise apply_too_slow(group, DRAIN_SECONDS)


async def _commit(holder: Connection, group: SwitchGroup, drill: Drill) -> None:
    """A gate shows at once, COMMIT or not, and whoever has the COMMIT's WAL has the gate's, which stands before it."""
    parts = [sql.SQL("COMMIT")] if drill.without_gates else [RAISE_GATES.format(**_literals(group)), sql.SQL("COMMIT")]
    await holder.execute(sql.SQL(";").join(parts))


def _tombstones(group: SwitchGroup) -> list[sql.Composed]:
    text = sql.SQL("ALTER TABLE {} ENABLE TRIGGER {}")
    return [text.format(identify(leaf), sql.Identifier(TOMBSTONE)) for leaf in group.leaves]


def _literals(group: SwitchGroup) -> dict[str, sql.Literal]:
    values: dict[str, Any] = {
        "link": group.link,
        "owner": group.target,
        "group": group.tables.name,
        "buckets": list(group.buckets),
    }
    return {name: sql.Literal(value) for name, value in values.items()}


async def _check_timelines(holder: Connection, target: Connection, group: SwitchGroup) -> None:
    """These very sessions are on the timelines on which the copy began; a session does not survive its server's demotion."""
    recorded = await target.execute(RECORDED, (group.expansion, group.number))
    now = (await fetch_value(holder, TIMELINE), await fetch_value(target, TIMELINE))
    if await recorded.fetchone() != now:
        raise HeldUp("TimelineChanged", f"a primary of switch group {group.number} has changed since its copy began", 0)


BEGIN_FENCE = """
BEGIN; SET LOCAL lock_timeout = '100ms'; SET LOCAL deadlock_timeout = '20ms';
SET LOCAL idle_in_transaction_session_timeout = '2s'; SELECT pg_advisory_xact_lock(hashtext({link}))
"""

MOVE_OWNER = """
UPDATE caisson.shard_map SET owner = {owner}, epoch = epoch + 1 WHERE table_group = {group} AND bucket = ANY({buckets})
"""

# One row by its key, so the wait is done once, and before anything is locked.
PREPARE = """
UPDATE caisson.switch_group SET prepared_at = clock_timestamp()
WHERE expansion = %(expansion)s AND number = %(number)s AND caisson.await_beat(%(sentinel)s, %(beat)s, %(seconds)s)
RETURNING true
"""

RECORDED = "SELECT source_timeline, target_timeline FROM caisson.switch_group WHERE expansion = %s AND number = %s"

END_FENCES = """
SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE %s
"""
