"""Bring a shard's schema to where it can hold buckets: the schema `caisson`, migrations, tables, first leaves."""

from collections.abc import Iterable
from importlib import resources

from psycopg import sql

from caisson_operator.core.layout import (
    APPLICATION_ROLE,
    MAP_CHANNEL,
    OWNER_ROLE,
    SCHEMA,
    SCHEMA_VERSION,
    TOMBSTONE,
    Bucket,
    Leaf,
    ShardAddress,
    Table,
    TableGroup,
    group_tables,
)

from .sessions import Connection, Sessions, fetch_value

FIRST_EPOCH = 1


async def install_schema(connection: Connection, database: str, shard: str) -> None:
    """All of schema.sql, the tables of the locks, and who this shard is, in one transaction."""
    text = "".join(resources.files(__package__).joinpath(name).read_text() for name in SCRIPTS)
    async with connection.transaction():
        await connection.execute(sql.SQL(text))
        await connection.execute(
            "INSERT INTO caisson.identity (shard, database) VALUES (%s, %s) ON CONFLICT DO NOTHING", (shard, database)
        )
        await connection.execute(
            "INSERT INTO caisson.version (version) VALUES (%s) ON CONFLICT (single) DO UPDATE SET version = excluded.version",
            (SCHEMA_VERSION,),
        )


async def apply_migration(sessions: Sessions, shard: str, id: str, position: int, text: str, checksum: str) -> None:
    """Run one migration as the tables' owner and record it, in one transaction. The application's SQL error passes through."""
    async with sessions.owner_session(shard) as connection, connection.transaction():
        await connection.execute(text.encode())
        await connection.execute(
            "INSERT INTO caisson.migrations (id, position, checksum) VALUES (%s, %s, %s)", (id, position, checksum)
        )


async def register_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Tell clients which tables are sharded and how; make each group's gates and its table of idempotency keys."""
    tables = tuple(tables)
    async with connection.transaction():
        for group in group_tables(tables).values():
            await _make_group(connection, group)
        for table in tables:
            key = list(table.key)
            row = (table.name, table.group, table.strategy, table.buckets, key, table.name)
            await connection.execute(REGISTER, row)
        await connection.execute(f"NOTIFY {MAP_CHANNEL}")


async def publish_shards(connection: Connection, addresses: Iterable[ShardAddress]) -> None:
    async with connection.transaction():
        for a in addresses:
            await connection.execute(PUBLISH, (a.shard, a.host, a.port, a.read_host, a.members_host))
        await connection.execute(f"NOTIFY {MAP_CHANNEL}")


async def place_buckets(connection: Connection, shard: str, group: TableGroup, buckets: Iterable[Bucket]) -> None:
    """Attach every missing leaf of these buckets and claim those that have no row in the map; a transaction a bucket."""
    for bucket in buckets:
        async with connection.transaction():
            for leaf in group.leaves(bucket.number):
                await _attach_new_leaf(connection, leaf)
            names = {"group": bucket.group, "bucket": bucket.number, "gate": f"{SCHEMA}.{bucket.gate}"}
            await connection.execute(CLAIM, names | {"shard": shard, "epoch": FIRST_EPOCH})
            await connection.execute(RAISE_GATE, names)
    await connection.execute(f"NOTIFY {MAP_CHANNEL}")


def leaf_dressing(leaf: Leaf) -> sql.Composed:
    """What every leaf has, attached or not: the tables' owner, and the tombstone, disabled.

    A plain ENABLE later, never ENABLE ALWAYS: the apply worker of a subscription must pass.
    """
    names = {"leaf": identify(leaf), "owner": sql.Identifier(OWNER_ROLE), "tombstone": sql.Identifier(TOMBSTONE)}
    owner = OWNED.format(**names) if leaf.schema != SCHEMA else sql.SQL("").format()
    return owner + TOMBSTONED.format(**names)


def identify(leaf: Leaf) -> sql.Identifier:
    return sql.Identifier(leaf.schema, leaf.name)


def identify_parent(leaf: Leaf) -> sql.Identifier:
    return sql.Identifier(leaf.schema, leaf.table)


async def _attach_new_leaf(connection: Connection, leaf: Leaf) -> None:
    if await fetch_value(connection, "SELECT to_regclass(%s) IS NOT NULL", (f"{leaf.schema}.{leaf.name}",)):
        return
    create = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES {};").format(
        identify(leaf),
        identify_parent(leaf),
        sql.SQL(leaf.bound),
    )
    await connection.execute(create + leaf_dressing(leaf))


async def _make_group(connection: Connection, group: TableGroup) -> None:
    table = sql.Identifier(SCHEMA, group.idempotency_table)
    app = sql.Identifier(APPLICATION_ROLE)
    await connection.execute(IDEMPOTENCY.format(table=table, app=app))
    for bucket in group.all_buckets():
        await connection.execute(GATE.format(gate=sql.Identifier(SCHEMA, bucket.gate), app=app))


OWNED = sql.SQL("ALTER TABLE {leaf} OWNER TO {owner};")

TOMBSTONED = sql.SQL("""
CREATE TRIGGER {tombstone} BEFORE INSERT OR UPDATE OR DELETE ON {leaf} FOR EACH ROW EXECUTE FUNCTION caisson.moved();
ALTER TABLE {leaf} DISABLE TRIGGER {tombstone};
""")

REGISTER = """
INSERT INTO caisson.tables (name, table_group, key_columns, key_types, strategy, buckets)
SELECT %s, %s, columns, types, %s, %s FROM (
    SELECT array_agg(name ORDER BY place) AS columns, array_agg(format_type(atttypid, NULL) ORDER BY place) AS types
    FROM unnest(%s::text[]) WITH ORDINALITY AS key (name, place)
    JOIN pg_attribute ON attname = name AND attrelid = format('public.%%I', %s::text)::regclass
) AS key
ON CONFLICT (name) DO NOTHING
"""

PUBLISH = """
INSERT INTO caisson.shards (shard, host, port, read_host, members_host) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (shard) DO UPDATE SET host = excluded.host, port = excluded.port, read_host = excluded.read_host,
    members_host = excluded.members_host
"""

CLAIM = """
INSERT INTO caisson.shard_map (table_group, bucket, owner, epoch) VALUES (%(group)s, %(bucket)s, %(shard)s, %(epoch)s)
ON CONFLICT DO NOTHING
"""

RAISE_GATE = """
SELECT setval(%(gate)s::regclass, epoch) FROM caisson.shard_map WHERE table_group = %(group)s AND bucket = %(bucket)s
"""

IDEMPOTENCY = sql.SQL("""
CREATE TABLE IF NOT EXISTS {table} (
    bucket int NOT NULL, key text NOT NULL, result jsonb, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (bucket, key)
) PARTITION BY LIST (bucket);
GRANT SELECT, INSERT ON {table} TO {app};
""")

SCRIPTS = ("schema.sql", "locks.sql", "lock_rights.sql", "ids.sql", "id_rights.sql")

GATE = sql.SQL("CREATE SEQUENCE IF NOT EXISTS {gate} MINVALUE 0 START 0; GRANT SELECT ON {gate} TO {app};")
