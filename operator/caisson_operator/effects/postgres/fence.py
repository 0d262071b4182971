"""The switch of one group behind a fence of milliseconds: three effects, run back to back.

`fence` locks, tombstones and renames the owner on the source, drains the tail to the target and makes it durable there, and COMMITs:
the one linearisation point. `raise_source_gates` makes every client that still reads the source find out. `open_target` attaches the leaves
and claims them. A crash before the COMMIT leaves the source as it was; after it, the catalogs say so and the two others are
repeated. Nobody is ever cancelled: where an open transaction is in the way, the fence lets go and comes again.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import MAP_CHANNEL, SCHEMA, TOMBSTONE, SwitchGroup

from .schema import identify, identify_parent
from .sessions import FENCE, Connection, Sessions, fetch_all, fetch_value

DRAIN_SECONDS = 1.5  # below the fence's own idle timeout: a drain that takes longer is given up, not killed
PREFLIGHT_SECONDS = 10.0
POLL_SECONDS = 0.001

TIMELINE = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"


@dataclass(frozen=True, slots=True)
class Drill:
    """Seams for the controls of the tests: each switches one guard off, and the checker must then find the loss."""

    without_tombstone: bool = False
    without_durable_target: bool = False
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
            await pass_through(source, target, group, DRAIN_SECONDS)
            drill.at("after drain")
            if not drill.without_durable_target:
                await target.execute(PREPARED, (group.expansion, group.number))
            drill.at("after durable write")
        except (HeldUp, psycopg.Error):
            with suppress(psycopg.Error):
                await holder.execute("ROLLBACK")
            raise
        await holder.execute("COMMIT")
        if any("synchronous replication" in warning for warning in warnings):
            raise ConnectionError(f"the fence on {group.source} was cut off before its standby had it: outcome unknown")
        drill.at("after commit")
    return began


async def raise_source_gates(source: Connection, group: SwitchGroup) -> None:
    """From here on no read on the source passes its check; only then may the target open."""
    await source.execute(RAISE_GATES, (SCHEMA, group.tables.name, list(group.buckets)))


async def open_target(source: Connection, target: Connection, group: SwitchGroup, fenced_at: float | None) -> None:
    """Attach, claim and announce in one transaction. `fenced_at` is None where a crash hides when the pause began."""
    (sent, epochs), (applied, attachments) = await asyncio.gather(
        _read_source(source, group), _read_target(target, group)
    )
    if applied is None or applied < sent:
        raise HeldUp("Draining", f"{group.target} has not applied the last changes of {group.source} yet", 0.05)
    claim = {"group": group.tables.name, "owner": group.target, "buckets": list(epochs), "epochs": [*epochs.values()]}
    try:
        # One message for all of it, COMMIT included: writers wait here, and each round trip would be theirs.
        async with target.pipeline(), target.transaction():
            for budget in ATTACH_BUDGET:
                await target.execute(budget)
            for attachment in attachments:
                await target.execute(attachment)
            await target.execute(CLAIM, claim)
            await target.execute(RAISE_GATES, (SCHEMA, group.tables.name, list(group.buckets)))
            pause = None if fenced_at is None else (time.monotonic() - fenced_at) * 1000
            await target.execute(SWITCHED, (pause, group.expansion, group.number))
            await target.execute(f"NOTIFY {MAP_CHANNEL}")
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise HeldUp("AttachHeldUp", f"{group.target} is busy with the new leaves", 0.02) from error


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
    names = {"link": group.link, "owner": group.target, "group": group.tables.name, "buckets": list(group.buckets)}
    literals = {name: sql.Literal(value) for name, value in names.items()}
    begin, move = (sql.SQL(text).format(**literals) for text in (BEGIN_FENCE, MOVE_OWNER))
    try:
        await holder.execute(sql.SQL(";").join([begin, *tombstones, move]))
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        await holder.execute("ROLLBACK")
        message = f"open transactions on {group.source} use the leaves of switch group {group.number}; waiting for them"
        raise HeldUp("FenceHeldUp", message, 0.1) from error


def _tombstones(group: SwitchGroup) -> list[sql.Composed]:
    text = sql.SQL("ALTER TABLE {} ENABLE TRIGGER {}")
    return [text.format(identify(leaf), sql.Identifier(TOMBSTONE)) for leaf in group.leaves]


async def pass_through(source: Connection, target: Connection, group: SwitchGroup, seconds: float) -> None:
    """Commit a sentinel on the source and wait until the target shows it: all that was committed before is there too."""
    table = sql.Identifier(SCHEMA, group.sentinel)
    beat = await fetch_value(source, sql.SQL(BEAT).format(table))
    deadline = asyncio.get_running_loop().time() + seconds
    while (await fetch_value(target, _last_beat(group)) or 0) < beat:
        if asyncio.get_running_loop().time() > deadline:
            raise HeldUp("ApplyTooSlow", f"{group.target} did not apply a change of {group.source} in {seconds} s", 0.5)
        await asyncio.sleep(POLL_SECONDS)


async def _check_timelines(holder: Connection, target: Connection, group: SwitchGroup) -> None:
    """These very sessions are on the timelines on which the copy began; a session does not survive its server's demotion."""
    recorded = await target.execute(RECORDED, (group.expansion, group.number))
    now = (await fetch_value(holder, TIMELINE), await fetch_value(target, TIMELINE))
    if await recorded.fetchone() != now:
        raise HeldUp("TimelineChanged", f"a primary of switch group {group.number} has changed since its copy began", 0)


async def _read_source(source: Connection, group: SwitchGroup) -> tuple[int, dict[int, int]]:
    """The last beat that was sent, and the epoch of each bucket after the fence. One message: writers wait."""
    text = sql.SQL(EPOCHS).format(_last_beat(group))
    rows = await fetch_all(source, text, (group.tables.name, list(group.buckets)))
    return rows[0][0], {bucket: epoch for _, bucket, epoch in rows}


async def _read_target(target: Connection, group: SwitchGroup) -> tuple[int | None, list[sql.Composed]]:
    """The last beat that was applied, and what attaches the leaves that are not attached yet."""
    names = [f"{leaf.schema}.{leaf.name}" for leaf in group.leaves]
    rows = await fetch_all(target, sql.SQL(ATTACHED).format(_last_beat(group)), (names,))
    attached = {name for _, name, is_attached in rows if is_attached}
    text = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}")
    return rows[0][0], [
        text.format(identify_parent(leaf), identify(leaf), sql.SQL(leaf.bound))
        for leaf, name in zip(group.leaves, names, strict=True)
        if name not in attached
    ]


def _last_beat(group: SwitchGroup) -> sql.Composed:
    return sql.SQL("SELECT max(beat) FROM {}").format(sql.Identifier(SCHEMA, group.sentinel))


BEGIN_FENCE = """
BEGIN; SET LOCAL lock_timeout = '100ms'; SET LOCAL deadlock_timeout = '20ms';
SET LOCAL idle_in_transaction_session_timeout = '2s'; SELECT pg_advisory_xact_lock(hashtext({link}))
"""

ATTACH_BUDGET = ("SET LOCAL lock_timeout = '1s'", "SET LOCAL deadlock_timeout = '20ms'")

ATTACHED = """
SELECT ({}), name, EXISTS (SELECT FROM pg_inherits WHERE inhrelid = name::regclass) FROM unnest(%s::text[]) name
"""

MOVE_OWNER = """
UPDATE caisson.shard_map SET owner = {owner}, epoch = epoch + 1 WHERE table_group = {group} AND bucket = ANY({buckets})
"""

BEAT = "INSERT INTO {0} SELECT coalesce(max(beat), 0) + 1 FROM {0} RETURNING beat"

PREPARED = "UPDATE caisson.switch_group SET prepared_at = clock_timestamp() WHERE expansion = %s AND number = %s"

RECORDED = "SELECT source_timeline, target_timeline FROM caisson.switch_group WHERE expansion = %s AND number = %s"

EPOCHS = "SELECT ({}), bucket, epoch FROM caisson.shard_map WHERE table_group = %s AND bucket = ANY(%s)"

CLAIM = """
INSERT INTO caisson.shard_map AS mine (table_group, bucket, owner, epoch)
SELECT %(group)s, bucket, %(owner)s, epoch FROM unnest(%(buckets)s::int[], %(epochs)s::bigint[]) claim (bucket, epoch)
ON CONFLICT (table_group, bucket) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch
WHERE mine.epoch <= excluded.epoch
"""

RAISE_GATES = """
SELECT setval(format('%%I.%%I', %s::text, format('gate_%%s_%%s', table_group, bucket))::regclass, epoch)
FROM caisson.shard_map WHERE table_group = %s AND bucket = ANY(%s)
"""

SWITCHED = """
UPDATE caisson.switch_group SET switched_at = clock_timestamp(), pause_milliseconds = coalesce(%s, pause_milliseconds)
WHERE expansion = %s AND number = %s
"""

END_FENCES = """
SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE %s
"""
