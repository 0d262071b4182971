"""Reads what a shard says: who it is, where the others are, which tables there are, and which buckets it owns."""

import psycopg

from caisson.connections import ShardConnection
from caisson.epoch import TIMELINE
from caisson.messages import send
from caisson.refusals import NotConnected
from caisson.shard_map import Address, ShardView, Table

_IDENTITY = f"SELECT shard, database, {TIMELINE} FROM caisson.identity"
_SHARDS = "SELECT shard, host, port, read_host, members_host FROM caisson.shards"
_TABLES = "SELECT name, table_group, key_columns, key_types, strategy, buckets FROM caisson.tables"
_OWNED = "SELECT table_group, bucket, epoch FROM caisson.shard_map WHERE owner = (SELECT shard FROM caisson.identity)"


def read_view(connection: ShardConnection) -> ShardView:
    """One message, one round trip. A bucket that leaves between the statements is refused by its gate later.

    Raises NotConnected where the schema `caisson` is not there (yet): a database is given out before it is whole.
    """
    try:
        identity, shards, tables, owned = send(connection, _IDENTITY, _SHARDS, _TABLES, _OWNED)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NotConnected(f"the server is no shard of a ShardedDatabase, or not yet: {error}") from error
    if len(identity.rows) != 1:
        raise NotConnected("the shard has no identity yet: it is still being set up")
    shard, database, timeline = identity.rows[0]
    return ShardView(
        shard=shard,
        database=database,
        timeline=timeline,
        addresses={name: Address(*address) for name, *address in shards.rows},
        tables=tuple(
            Table(name, group, tuple(columns), tuple(types), strategy, buckets)
            for name, group, columns, types, strategy, buckets in tables.rows
        ),
        owned={(group, bucket): epoch for group, bucket, epoch in owned.rows},
    )
