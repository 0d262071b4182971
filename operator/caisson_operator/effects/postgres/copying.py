"""Make, feed and unmake the copy of a switch group: leaves, publication, slot, subscription, indexes.

Everything carries names that follow from the group (core/layout.py), so each effect can be repeated, and removed by
whoever comes after a crash.
"""

import re
from collections.abc import Iterable

from psycopg import errors, sql

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import SCHEMA, Leaf, SwitchGroup

from .schema import identify, identify_parent, leaf_dressing
from .sessions import Connection, fetch_all, fetch_value

SLOT_SECONDS = 30
"""Twice it waits for all writers of the moment, none of which was older than LONG_TRANSACTION_SECONDS (10) when it began."""


async def create_target_leaves(target: Connection, group: SwitchGroup) -> None:
    """Unattached leaves: columns, primary key, and a CHECK that equals the partition constraint."""
    async with target.transaction():
        await _create_sentinel(target, group)
        for leaf in group.leaves:
            if not await _exists(target, leaf):
                await _create_loose_leaf(target, group, leaf)


async def create_publication(source: Connection, group: SwitchGroup) -> None:
    """Publish leaves, not row filters: cleaning up is then a DROP."""
    async with source.transaction():
        await _create_sentinel(source, group)
        if not await fetch_value(source, "SELECT 1 FROM pg_publication WHERE pubname = %s", (group.link,)):
            tables = sql.SQL(", ").join([*map(identify, group.leaves), _sentinel(group)])
            await source.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(_link(group), tables))


async def create_slot(source: Connection, group: SwitchGroup) -> None:
    """After the publication, which must be there from the slot's first change on. Waits for the writers of the moment.

    A slot that gave up leaves nothing behind: it persists only once it is consistent.
    """
    if await fetch_value(source, "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (group.link,)):
        return
    await source.execute(f"SET statement_timeout = '{SLOT_SECONDS}s'")
    try:
        await source.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (group.link,))
    except errors.QueryCanceled as error:
        message = f"transactions on {group.source} that write stay open: the slot of switch group {group.number} waits for them"
        raise HeldUp("LongTransaction", message, 2) from error
    finally:
        await source.execute("RESET statement_timeout")


async def subscribe(target: Connection, group: SwitchGroup, conninfo: str) -> None:
    """Copy, then follow in commit order. `conninfo` names a passfile: no password enters the catalog."""
    if await fetch_value(target, "SELECT 1 FROM pg_subscription WHERE subname = %s", (group.link,)):
        return
    text = "CREATE SUBSCRIPTION {0} CONNECTION {1} PUBLICATION {0} WITH (create_slot = false, slot_name = {0}, copy_data = true)"
    await target.execute(sql.SQL(text).format(_link(group), sql.Literal(conninfo)))


async def build_indexes(target: Connection, group: SwitchGroup) -> None:
    """Every index and unique constraint of the parent on each leaf, so that ATTACH adopts them instead of building its own."""
    await target.execute(COPIED, (group.expansion, group.number))
    for leaf in group.leaves:
        for (statement,) in await fetch_all(target, MISSING_INDEXES, _pair(leaf)):
            await target.execute(statement)
        await target.execute(sql.SQL("ANALYZE {}").format(identify(leaf)))
    await target.execute(INDEXED, (group.expansion, group.number))


async def unsubscribe(target: Connection, group: SwitchGroup) -> None:
    """Without touching the source, which may be down: its slot is dropped by a step of its own."""
    if await fetch_value(target, "SELECT 1 FROM pg_subscription WHERE subname = %s", (group.link,)):
        link = _link(group)
        await target.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(link))
        await target.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(link))
        await target.execute(sql.SQL("DROP SUBSCRIPTION {}").format(link))


async def drop_slot(source: Connection, group: SwitchGroup) -> None:
    await _drop_slot(source, group.link)


async def drop_sync_slots(source: Connection, subscribers: Iterable[Connection]) -> None:
    """What an initial copy that died half-way left behind: pg_<subscription>_sync_<table>_<system>.

    Only where the system is one of the subscribers' and has no such subscription any more: others have slots of such names too.
    """
    living: dict[str, set[str]] = {}
    for subscriber in subscribers:
        for system, subscriptions in await fetch_all(subscriber, SUBSCRIPTIONS):
            living.setdefault(system, set()).update(subscriptions)
    for (slot,) in await fetch_all(source, "SELECT slot_name FROM pg_replication_slots"):
        match = SYNC_SLOT.match(slot)
        if match and match["system"] in living and match["subscription"] not in living[match["system"]]:
            await _drop_slot(source, slot)


async def drop_publication(source: Connection, group: SwitchGroup) -> None:
    await source.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(_link(group)))


async def drop_leaves(connection: Connection, group: SwitchGroup) -> None:
    """Drop this side's loose leaves. An attached one is never dropped: somebody may own it."""
    for leaf in group.leaves:
        if await _exists(connection, leaf) and not await _is_attached(connection, leaf):
            await connection.execute(sql.SQL("DROP TABLE {}").format(identify(leaf)))


async def drop_sentinel(connection: Connection, group: SwitchGroup) -> None:
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_sentinel(group)))


async def detach_source(source: Connection, group: SwitchGroup) -> None:
    """Detach the old leaves without stopping readers. A long reader delays this, and nothing else."""
    await source.execute("SET statement_timeout = '2s'")
    try:
        for leaf in group.leaves:
            await _detach(source, leaf)
    except (errors.QueryCanceled, errors.LockNotAvailable) as error:
        message = f"a long transaction on {group.source} holds up the detaching of old leaves"
        raise HeldUp("DetachHeldUp", message, 2) from error
    finally:
        await source.execute("RESET statement_timeout")


async def _detach(source: Connection, leaf: Leaf) -> None:
    pending = (
        await fetch_value(
            source, "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = %s::regclass", (_quoted(leaf),)
        )
        if await _exists(source, leaf)
        else None
    )
    if pending is not None:
        how = "FINALIZE" if pending else "CONCURRENTLY"
        text = f"ALTER TABLE {{}} DETACH PARTITION {{}} {how}"
        await source.execute(sql.SQL(text).format(identify_parent(leaf), identify(leaf)))


async def _create_loose_leaf(target: Connection, group: SwitchGroup, leaf: Leaf) -> None:
    await target.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)").format(
            identify(leaf), identify_parent(leaf)
        )
    )
    for (primary_key,) in await fetch_all(target, PRIMARY_KEY, (_quoted_parent(leaf),)):
        await target.execute(sql.SQL("ALTER TABLE {} ADD {}").format(identify(leaf), sql.SQL(primary_key)))
    check = await fetch_value(
        target,
        BOUND_CHECK,
        {"parent": _quoted_parent(leaf), "number": leaf.bucket.number, "buckets": group.tables.buckets},
    )
    add = "ALTER TABLE {} ADD CONSTRAINT {} CHECK ({});"
    name = sql.Identifier(f"{leaf.name}_bound")
    await target.execute(sql.SQL(add).format(identify(leaf), name, sql.SQL(check)) + leaf_dressing(leaf))


async def _create_sentinel(connection: Connection, group: SwitchGroup) -> None:
    await connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} (beat bigint PRIMARY KEY)").format(_sentinel(group))
    )


async def _drop_slot(source: Connection, name: str) -> None:
    """Ends the slot's reader first; a reader that does not go in time holds the step up, not the process."""
    ended = await fetch_value(source, END_READER, (name,))
    if ended is False:
        raise HeldUp("SlotInUse", f"the reader of slot {name} has not ended yet", 1)
    await source.execute(DROP_SLOT, (name,))


async def _exists(connection: Connection, leaf: Leaf) -> bool:
    return bool(await fetch_value(connection, "SELECT to_regclass(%s) IS NOT NULL", (_quoted(leaf),)))


async def _is_attached(connection: Connection, leaf: Leaf) -> bool:
    return bool(
        await fetch_value(connection, "SELECT 1 FROM pg_inherits WHERE inhrelid = %s::regclass", (_quoted(leaf),))
    )


def _link(group: SwitchGroup) -> sql.Identifier:
    return sql.Identifier(group.link)


def _sentinel(group: SwitchGroup) -> sql.Identifier:
    return sql.Identifier(SCHEMA, group.sentinel)


def _quoted(leaf: Leaf) -> str:
    return f"{leaf.schema}.{leaf.name}"


def _quoted_parent(leaf: Leaf) -> str:
    return f"{leaf.schema}.{leaf.table}"


def _pair(leaf: Leaf) -> dict[str, str]:
    return {"leaf": _quoted(leaf), "parent": _quoted_parent(leaf), "suffix": f"_b{leaf.bucket.number}"}


SYNC_SLOT = re.compile(r"^pg_(?P<subscription>\d+)_sync_\d+_(?P<system>\d+)$")

END_READER = """
SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE active_pid IS NOT NULL AND slot_name = %s
"""

DROP_SLOT = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"

SUBSCRIPTIONS = "SELECT system_identifier::text, ARRAY(SELECT oid::text FROM pg_subscription) FROM pg_control_system()"

COPIED = """
UPDATE caisson.switch_group SET copied_at = coalesce(copied_at, clock_timestamp()) WHERE expansion = %s AND number = %s
"""

INDEXED = "UPDATE caisson.switch_group SET indexed_at = clock_timestamp() WHERE expansion = %s AND number = %s"

PRIMARY_KEY = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"

# The partition constraint as the server would check it, written so that ATTACH sees that the CHECK implies it. A key of a type
# with a collation must appear in an expression that has none, and of its own type (docs: expansion, "The fence").
BOUND_CHECK = """
SELECT CASE partstrat
    WHEN 'l' THEN format('%%I = %%s', min(attname), %(number)s::int)
    ELSE format('satisfies_hash_partition(%%L::regclass, %%s, %%s, %%s)', %(parent)s::text, %(buckets)s::int, %(number)s::int,
        string_agg(CASE WHEN attcollation = 0 THEN quote_ident(attname) ELSE
            format('CASE WHEN true THEN %%1$I WHEN false THEN ''c''::name::%%2$s ELSE ''p''::caisson.posix_text::%%2$s END',
                attname, atttypid::regtype)
        END, ', ' ORDER BY place))
    END
FROM pg_partitioned_table, unnest(partattrs::int2[]) WITH ORDINALITY AS key (number, place)
JOIN pg_attribute ON attnum = key.number AND attrelid = %(parent)s::regclass
WHERE partrelid = %(parent)s::regclass GROUP BY partstrat
"""

# Indexes are compared by what follows USING in their definition; constraints by their definition.
MISSING_INDEXES = """
WITH index AS (
    SELECT indrelid, relname, indisunique, substring(pg_get_indexdef(indexrelid) FROM ' USING .*$') AS tail, conname,
           contype, pg_get_constraintdef(pg_constraint.oid) AS condef
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
    WHERE indrelid IN (%(leaf)s::regclass, %(parent)s::regclass) AND (indisvalid OR indrelid = %(parent)s::regclass)
)
SELECT CASE WHEN conname IS NULL
    THEN format('CREATE %%s INDEX %%I ON %%s%%s', CASE WHEN indisunique THEN 'UNIQUE' ELSE '' END,
                left(relname, 50) || %(suffix)s, %(leaf)s::regclass, tail)
    ELSE format('ALTER TABLE %%s ADD %%s', %(leaf)s::regclass, condef) END
FROM index AS parent
WHERE indrelid = %(parent)s::regclass AND NOT EXISTS (
    SELECT FROM index AS own WHERE own.indrelid = %(leaf)s::regclass AND own.tail = parent.tail
        AND own.indisunique = parent.indisunique AND (own.contype IS NOT DISTINCT FROM parent.contype)
)
"""
