"""The bucket function against the server's own `satisfies_hash_partition`, value by value, in bulk statements."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from caisson.bucket import bucket_function
from postgres.clusters import running_clusters

MODULUS = 61
EXAMPLES = 40
VALUES = 100

# PostgreSQL's text holds neither NUL nor lone surrogates.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))

STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "text": TEXT,
    "character varying": TEXT,
    "uuid": st.uuids(),
    "date": st.dates(),
    "timestamp with time zone": st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES | st.just(UTC)),
}
COMPOSITES = (("text", "bigint"), ("uuid", "date", "smallint"), ("integer", "character varying"))


@pytest.fixture(scope="module")
def server() -> Iterator[psycopg.Connection]:
    with running_clusters(1) as clusters, clusters[0].connect() as connection:
        for key_types in [*[(name,) for name in STRATEGIES], *COMPOSITES]:
            make_table(connection, key_types)
        yield connection


def table_name(key_types: tuple[str, ...]) -> str:
    return "_".join(key_types).replace(" ", "_")


def make_table(connection: psycopg.Connection, key_types: tuple[str, ...]) -> None:
    columns = ", ".join(f"k{number} {name}" for number, name in enumerate(key_types))
    keys = ", ".join(f"k{number}" for number in range(len(key_types)))
    connection.execute(f'CREATE TABLE "{table_name(key_types)}" ({columns}) PARTITION BY HASH ({keys})'.encode())


def mismatches(connection: psycopg.Connection, key_types: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    """The rows whose bucket by the client the server does not agree with."""
    bucket_of = bucket_function(key_types, MODULUS)
    arrays = [[row[number] for row in rows] for number in range(len(key_types))]
    casts = ", ".join(f"%s::{name}[]" for name in key_types)
    columns = ", ".join(f"k{number}" for number in range(len(key_types)))
    statement = (
        f"SELECT bucket, {columns} FROM unnest(%s::int[], {casts}) AS given (bucket, {columns}) "
        f"WHERE NOT satisfies_hash_partition('\"{table_name(key_types)}\"'::regclass, {MODULUS}, bucket, {columns})"
    )
    buckets = [bucket_of(*row) for row in rows]
    return connection.execute(sql.SQL(statement), (buckets, *arrays)).fetchall()


def check(key_types: tuple[str, ...], server: psycopg.Connection) -> None:
    row = st.tuples(*[STRATEGIES[name] | st.none() for name in key_types])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.lists(row, min_size=VALUES, max_size=VALUES))
    def agrees(rows: list[tuple[Any, ...]]) -> None:
        assert mismatches(server, key_types, rows) == []

    agrees()


@pytest.mark.parametrize("name", STRATEGIES)
def test_agrees_with_the_server_on_each_type(server: psycopg.Connection, name: str) -> None:
    check((name,), server)


@pytest.mark.parametrize("key_types", COMPOSITES)
def test_agrees_with_the_server_on_composite_keys(server: psycopg.Connection, key_types: tuple[str, ...]) -> None:
    check(key_types, server)


def test_agrees_on_texts_of_every_length(server: psycopg.Connection) -> None:
    rows = [("é" * (length % 3) + "x" * length,) for length in range(400)]
    assert mismatches(server, ("text",), rows) == []


def test_agrees_on_the_edges(server: psycopg.Connection) -> None:
    assert mismatches(server, ("bigint",), [(n,) for n in (0, 1, -1, 2**63 - 1, -(2**63), 2**32, -(2**32))]) == []
    assert (
        mismatches(server, ("date",), [(d,) for d in (date.min, date.max, date(2000, 1, 1), date(1999, 12, 31))]) == []
    )
    assert mismatches(server, ("text",), [("",), (None,)]) == []


def test_the_comparison_bites(server: psycopg.Connection) -> None:
    """The control: shift every bucket by one and each row must be reported."""
    key_types = ("text",)
    wrong = [((bucket_function(key_types, MODULUS)(str(n)) + 1) % MODULUS, str(n)) for n in range(100)]
    statement = (
        f"SELECT count(*) FROM unnest(%s::int[], %s::text[]) AS given (bucket, k0) "
        f"WHERE NOT satisfies_hash_partition('text'::regclass, {MODULUS}, bucket, k0)"
    )
    found = server.execute(sql.SQL(statement), ([b for b, _ in wrong], [k for _, k in wrong])).fetchone()
    assert found == (100,)
