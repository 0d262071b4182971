"""Reads what every shard has, by plain connections: rows of the partitions that are attached there."""

from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql

from flights.checker import BookingRow, RevisionRow
from flights.dataset import FLIGHT_COLUMNS, MISSING, PLANE_COLUMNS
from flights.source import LeafCount

Shards = dict[str, psycopg.Connection]

TIME_COLUMN = "time_hour"
AS_IN_THE_FILE = sql.SQL("""to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""")
READ_BOOKINGS = "SELECT tailnum, booking, version FROM bookings"
READ_REVISIONS = "SELECT id, revision FROM flights WHERE revision <> 0 OR id = ANY(%s)"
COUNT_JOINED = sql.SQL(
    "SELECT t.tableoid::regclass::text, count(*), coalesce(sum(p.seats), 0)"
    " FROM {table} t JOIN planes p USING (tailnum) GROUP BY 1"
)


def read_bookings(shards: Shards) -> list[BookingRow]:
    return [
        BookingRow(shard, *row) for shard, connection in shards.items() for row in connection.execute(READ_BOOKINGS)
    ]


def read_revisions(shards: Shards, counters: Sequence[int]) -> list[RevisionRow]:
    """The revisions of the counters' flights, and any other that is not 0."""
    return [
        RevisionRow(shard, *row)
        for shard, connection in shards.items()
        for row in connection.execute(READ_REVISIONS, (list(counters),))
    ]


def read_flight_hashes(shards: Shards) -> Iterator[tuple[int, int]]:
    """(id, hash of the row's line); the line is the file's own, so that every column of every row is compared."""
    for connection in shards.values():
        for line in copy_lines(connection, "flights", ("id", *FLIGHT_COLUMNS)):
            number, _, rest = line.partition(b"\t")
            yield int(number), hash(rest)


def read_plane_hashes(shards: Shards) -> Iterator[tuple[int, int]]:
    """(hash of the tail number, hash of the row's line)."""
    for connection in shards.values():
        for line in copy_lines(connection, "planes", PLANE_COLUMNS):
            yield hash(line.partition(b"\t")[0]), hash(line)


def copy_lines(connection: psycopg.Connection, table: str, columns: Iterable[str]) -> Iterator[bytes]:
    names = [sql.Identifier(column) for column in columns]
    wanted = [AS_IN_THE_FILE.format(name) if name.as_string() == f'"{TIME_COLUMN}"' else name for name in names]
    statement = sql.SQL("COPY (SELECT {columns} FROM {table}) TO STDOUT (NULL {missing})").format(
        columns=sql.SQL(", ").join(wanted), table=sql.Identifier(table), missing=sql.Literal(MISSING)
    )
    with connection.cursor().copy(statement) as copy:
        for data in copy:
            yield bytes(data).rstrip(b"\n")


def count_rows(shards: Shards, tables: Iterable[str]) -> int:
    """Rows of these tables on all shards together."""
    statements = [sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)) for table in tables]
    return sum(
        int(row[0])
        for connection in shards.values()
        for statement in statements
        for row in connection.execute(statement)
    )


def count_joined(shards: Shards, table: str) -> dict[int, LeafCount]:
    """Rows of `table` that met their plane, for each bucket: both sides of the join on one shard, or it finds less."""
    counts: dict[int, LeafCount] = {}
    for connection in shards.values():
        for leaf, rows, seats in connection.execute(COUNT_JOINED.format(table=sql.Identifier(table))):
            bucket = int(leaf.rpartition("_b")[2])
            before = counts.get(bucket, LeafCount(0, 0))
            counts[bucket] = LeafCount(before.rows + rows, before.seats + int(seats))
    return counts
