"""The other half of a switch: once the fence is committed, the target attaches the leaves and claims them.

In this order, each committed by itself, since a COMMIT shows before other sessions are told to forget what they know of a table
(relcache), and an ATTACH keeps no reader waiting. Were the claim to show in that moment, whoever believed it might pass by the leaf, and find
it attached afterwards. Leaves that are attached and not claimed are nobody's: gates refuse them and scatter reads leave them out.

What is committed here need not wait for the standby: it may be lost with its primary, and is then done again from what the fence left, which
is durable on both sides. No write is acknowledged on the opened leaves before all that stands before it in the WAL is replicated. The first
COMMIT does not even wait for the disk: the second one's wait is for both.

A gate is no part of a transaction: it shows at once, and stays when the transaction is rolled back or lost. So the target's is raised after
the COMMIT, since nobody may pass it before the leaves are attached, on a standby that takes over either; and the source's before the
fence's COMMIT, which then brings it along. A crash between the two leaves a gate beside its map; `settle_gates` mends both cases.
"""

import asyncio
import time
from typing import Any

from psycopg import errors, sql

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import MAP_CHANNEL, SwitchGroup

from .beats import last_beat
from .schema import identify, identify_parent
from .sessions import Connection, fetch_all


async def open_target(source: Connection, target: Connection, group: SwitchGroup, fenced_at: float | None) -> None:
    """Attach, claim, raise the gates and announce. `fenced_at` is None where a crash hides when the pause began."""
    (sent, epochs), (applied, attachments) = await asyncio.gather(
        _read_source(source, group), _read_target(target, group)
    )
    if applied is None or applied < sent:
        raise HeldUp("Draining", f"{group.target} has not applied the last changes of {group.source} yet", 0.05)
    values: dict[str, Any] = {
        "group": group.tables.name,
        "owner": group.target,
        "buckets": list(epochs),
        "epochs": [*epochs.values()],
        "pause": None if fenced_at is None else (time.monotonic() - fenced_at) * 1000,
        "expansion": group.expansion,
        "number": group.number,
    }
    literals = {name: sql.Literal(value) for name, value in values.items()}
    opening = (text.format(**literals) for text in (BEGIN_CLAIM, CLAIM, SWITCHED, END_CLAIM, RAISE_GATES, ANNOUNCE))
    parts = [BEGIN_ATTACHING, *attachments, sql.SQL("COMMIT"), *opening]
    try:
        # One message for all of it: writers wait here, and each round trip would be theirs.
        await target.execute(sql.SQL(";").join(parts))
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        await target.execute("ROLLBACK")
        raise _attach_held_up(group) from error


async def rehearse(target: Connection, group: SwitchGroup) -> None:
    """Attach the leaves and roll back: whatever the server would refuse is raised here, where writes go on.

    Only the subscription waits meanwhile, for the locks of a few milliseconds.
    """
    _, attachments = await _read_target(target, group)
    try:
        await target.execute(sql.SQL(";").join([BEGIN_ATTACHING, *attachments]))
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise _attach_held_up(group) from error
    finally:
        await target.execute("ROLLBACK")


async def settle_gates(connection: Connection) -> None:
    """Bring gate and map together where a crash came between them: both get the higher epoch, the owner stays."""
    async with connection.transaction():
        await connection.execute(LIFT_EPOCHS)
        await connection.execute(LIFT_GATES)
        await connection.execute(f"NOTIFY {MAP_CHANNEL}")


def _attach_held_up(group: SwitchGroup) -> HeldUp:
    return HeldUp("AttachHeldUp", f"{group.target} is busy with the new leaves", 0.02)


async def _read_source(source: Connection, group: SwitchGroup) -> tuple[int, dict[int, int]]:
    """The last beat that was sent, and the epoch of each bucket after the fence. One message: writers wait."""
    text = sql.SQL(EPOCHS).format(last_beat(group))
    rows = await fetch_all(source, text, (group.tables.name, list(group.buckets)))
    return rows[0][0], {bucket: epoch for _, bucket, epoch in rows}


async def _read_target(target: Connection, group: SwitchGroup) -> tuple[int | None, list[sql.Composed]]:
    """The last beat that was applied, and what attaches the leaves that are not attached yet."""
    names = [f"{leaf.schema}.{leaf.name}" for leaf in group.leaves]
    rows = await fetch_all(target, sql.SQL(ATTACHED).format(last_beat(group)), (names,))
    attached = {name for _, name, is_attached in rows if is_attached}
    text = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}")
    return rows[0][0], [
        text.format(identify_parent(leaf), identify(leaf), sql.SQL(leaf.bound))
        for leaf, name in zip(group.leaves, names, strict=True)
        if name not in attached
    ]


EPOCHS = "SELECT ({}), bucket, epoch FROM caisson.shard_map WHERE table_group = %s AND bucket = ANY(%s)"

ATTACHED = """
SELECT ({}), name, EXISTS (SELECT FROM pg_inherits WHERE inhrelid = name::regclass) FROM unnest(%s::text[]) name
"""

BEGIN_ATTACHING = sql.SQL("""
BEGIN; SET LOCAL lock_timeout = '1s'; SET LOCAL deadlock_timeout = '20ms'; SET LOCAL synchronous_commit = off
""")

BEGIN_CLAIM = sql.SQL("BEGIN; SET LOCAL lock_timeout = '1s'; SET LOCAL synchronous_commit = local")

CLAIM = sql.SQL("""
INSERT INTO caisson.shard_map AS mine (table_group, bucket, owner, epoch)
SELECT {group}, bucket, {owner}, epoch FROM unnest({buckets}::int[], {epochs}::bigint[]) claim (bucket, epoch)
ON CONFLICT (table_group, bucket) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch
WHERE mine.epoch <= excluded.epoch
""")

SWITCHED = sql.SQL("""
UPDATE caisson.switch_group SET switched_at = clock_timestamp(), pause_milliseconds = coalesce({pause}, pause_milliseconds)
WHERE expansion = {expansion} AND number = {number}
""")

END_CLAIM = sql.SQL("COMMIT; SELECT set_config('synchronous_commit', 'local', true)")

RAISE_GATES = sql.SQL("""
SELECT setval(('caisson.' || quote_ident('gate_' || table_group || '_' || bucket))::regclass, epoch)
FROM caisson.shard_map WHERE table_group = {group} AND bucket = ANY({buckets})
""")

ANNOUNCE = sql.SQL(f"NOTIFY {MAP_CHANNEL}")

# The buckets of this shard whose gate is at another epoch than their row in the map: `ahead` by what a rolled back fence raised,
# or behind what a lost opening claimed.
GATES = """
SELECT m.table_group, m.bucket, m.epoch, g.last_value AS gate, ('caisson.' || quote_ident(g.sequencename))::regclass AS sequence
FROM caisson.shard_map m JOIN caisson.identity i ON m.owner = i.shard
JOIN pg_sequences g ON g.schemaname = 'caisson' AND g.sequencename = 'gate_' || m.table_group || '_' || m.bucket
WHERE g.last_value IS DISTINCT FROM m.epoch
"""

UNSETTLED = f"SELECT count(*) FROM ({GATES}) AS unsettled"

LIFT_EPOCHS = f"""
UPDATE caisson.shard_map AS m SET epoch = u.gate FROM ({GATES}) AS u
WHERE (m.table_group, m.bucket) = (u.table_group, u.bucket) AND u.gate > u.epoch
"""

LIFT_GATES = f"SELECT setval(sequence, epoch) FROM ({GATES}) AS unsettled WHERE gate IS NULL OR gate < epoch"
