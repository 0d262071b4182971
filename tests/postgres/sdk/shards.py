"""A sharded database on local clusters: the operator's own schema, and a bucket's move made by hand, step by step.

The move takes no logical replication: the few rows of a leaf are copied inside the fence. What clients can see of it
(tombstone, owner, gates, attach, detach, in that order) is what they see of the real one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import AsyncConnection

from caisson_operator.core.layout import Bucket, Leaf, ShardAddress, Table, TableGroup, group_tables, shard_name
from caisson_operator.effects.postgres.schema import install_schema, place_buckets, publish_shards, register_tables
from postgres.clusters import Cluster

BUCKETS = 8
TABLES = (
    Table("flights", ("tailnum",), "aircraft", "hash", BUCKETS),
    Table("planes", ("tailnum",), "aircraft", "hash", BUCKETS),
)
MIGRATION = """
CREATE TABLE flights (tailnum text, id bigint, payload text, n bigint NOT NULL DEFAULT 0, PRIMARY KEY (tailnum, id))
    PARTITION BY HASH (tailnum);
CREATE TABLE planes (tailnum text PRIMARY KEY, seats int CHECK (seats > 0)) PARTITION BY HASH (tailnum);
"""
PREPARE = """
GRANT ALL ON SCHEMA public TO caisson_owner; GRANT USAGE ON SCHEMA public TO caisson_app;
ALTER DEFAULT PRIVILEGES FOR ROLE caisson_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO caisson_app;
"""

Place = Callable[[str, int], int]
"""(group, bucket) -> the index of the shard that owns it at first."""


@dataclass(frozen=True, slots=True)
class Shards:
    """Clusters that hold the shards s0, s1, ... of the database `flights`."""

    clusters: Sequence[Cluster]
    tables: tuple[Table, ...] = TABLES
    migration: str = MIGRATION
    read_hosts: dict[str, str] = field(default_factory=dict)

    def install(self, place: Place = lambda group, bucket: bucket % 2, at: Sequence[int] | None = None) -> None:
        """Everything that stands on a shard before the first statement; `at`: which clusters (all)."""
        for index in range(len(self.clusters)) if at is None else at:
            asyncio.run(self._install(index, place))

    def dsn(self, index: int = 0) -> str:
        return self.clusters[index].dsn(user="caisson_app")

    def connect(self, index: int) -> psycopg.Connection:
        return self.clusters[index].connect()

    def group(self, name: str = "aircraft") -> TableGroup:
        return group_tables(self.tables)[name]

    def addresses(self) -> list[ShardAddress]:
        names = [shard_name(index) for index in range(len(self.clusters))]
        return [
            ShardAddress(name, "127.0.0.1", cluster.port, self.read_hosts.get(name, "127.0.0.1"))
            for name, cluster in zip(names, self.clusters, strict=True)
        ]

    def move(self, bucket: int, source: int, target: int, *, group: str = "aircraft") -> None:
        Move(self, group, bucket, source, target).run()

    async def _install(self, index: int, place: Place) -> None:
        cluster, name = self.clusters[index], shard_name(index)
        async with await AsyncConnection.connect(cluster.dsn(), autocommit=True) as connection:
            await connection.execute(PREPARE)
            await connection.execute(f"SET ROLE caisson_owner; {self.migration}; RESET ROLE".encode())
            await install_schema(connection, "flights", name)
            await register_tables(connection, self.tables)
            await publish_shards(connection, self.addresses())
            for group in group_tables(self.tables).values():
                own = [bucket for bucket in group.all_buckets() if place(group.name, bucket.number) == index]
                await place_buckets(connection, name, group, own)


@dataclass(frozen=True, slots=True)
class Move:
    """One bucket's move in the order of the real one; each step can be called alone to hold a state for a while."""

    shards: Shards
    group: str
    bucket: int
    source: int
    target: int

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return self.shards.group(self.group).leaves(self.bucket)

    def run(self) -> None:
        with self.shards.connect(self.source) as source, self.shards.connect(self.target) as target:
            self.make_target_leaves(target)
            epoch = self.fence(source, target)
            self.raise_gate(source, epoch)
            self.open_target(target, epoch)
            self.detach(source)

    def make_target_leaves(self, target: psycopg.Connection) -> None:
        for leaf in self.leaves:
            target.execute(f"CREATE TABLE {full(leaf)} (LIKE {leaf.schema}.{leaf.table} INCLUDING ALL)")
            target.execute(
                f"CREATE TRIGGER caisson_moved BEFORE INSERT OR UPDATE OR DELETE ON {full(leaf)} FOR EACH ROW "
                f"EXECUTE FUNCTION caisson.moved(); ALTER TABLE {full(leaf)} DISABLE TRIGGER caisson_moved"
            )
            if leaf.schema == "public":
                target.execute(f"ALTER TABLE {full(leaf)} OWNER TO caisson_owner")

    def fence(self, source: psycopg.Connection, target: psycopg.Connection) -> int:
        """Tombstone, copy, new owner, COMMIT; returns the new epoch."""
        with source.transaction():
            for leaf in self.leaves:
                source.execute(f"ALTER TABLE {full(leaf)} ENABLE TRIGGER caisson_moved")
            row = source.execute(
                "UPDATE caisson.shard_map SET owner = %s, epoch = epoch + 1 WHERE table_group = %s AND bucket = %s "
                "RETURNING epoch",
                (shard_name(self.target), self.group, self.bucket),
            ).fetchone()
            for leaf in self.leaves:
                copy_rows(source, target, full(leaf))
        assert row is not None
        return int(row[0])

    def raise_gate(self, connection: psycopg.Connection, epoch: int) -> None:
        gate = Bucket(self.group, self.bucket).gate
        connection.execute(f"SELECT setval('caisson.{gate}', {epoch})")

    def open_target(self, target: psycopg.Connection, epoch: int) -> None:
        """Attached first, then claimed, then the gate, each committed by itself."""
        with target.transaction():
            for leaf in self.leaves:
                target.execute(
                    f"ALTER TABLE {leaf.schema}.{leaf.table} ATTACH PARTITION {full(leaf)} FOR VALUES {leaf.bound}"
                )
        target.execute(
            "INSERT INTO caisson.shard_map (table_group, bucket, owner, epoch) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (table_group, bucket) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch",
            (self.group, self.bucket, shard_name(self.target), epoch),
        )
        self.raise_gate(target, epoch)
        target.execute("NOTIFY caisson_map")

    def detach(self, source: psycopg.Connection) -> None:
        for leaf in self.leaves:
            source.execute(f"ALTER TABLE {leaf.schema}.{leaf.table} DETACH PARTITION {full(leaf)} CONCURRENTLY")
            source.execute(f"DROP TABLE {full(leaf)}")


def copy_rows(source: psycopg.Connection, target: psycopg.Connection, table: str) -> None:
    with (
        source.cursor().copy(f"COPY {table} TO STDOUT") as rows,
        target.cursor().copy(f"COPY {table} FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write(row)


def full(leaf: Leaf) -> str:
    return f"{leaf.schema}.{leaf.name}"
