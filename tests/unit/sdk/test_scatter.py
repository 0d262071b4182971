"""How plain SQL is restricted to owned rows, and when the shards' answers fit together."""

import pytest

from caisson import ConfigurationError
from caisson.attempt import Refused
from caisson.scatter import ScatterResult, ShardAnswer, hide_tables, must_cover_once, tables_read
from caisson.shard_map import ShardMap, Table

FLIGHTS = Table("flights", "aircraft", ("tailnum",), ("text",), "hash", 4)
PLANES = Table("planes", "aircraft", ("tailnum",), ("text",), "hash", 4)
TRIPS = Table("trips", "trips", ("id",), ("bigint",), "hash", 2)
MAP = ShardMap(tables={table.name: table for table in (FLIGHTS, PLANES, TRIPS)})


def answer(shard: str, *buckets: int, group: str = "aircraft") -> ShardAnswer:
    return ShardAnswer(ScatterResult(shard, []), tuple((group, bucket) for bucket in buckets))


def test_every_bucket_once_is_accepted() -> None:
    must_cover_once([FLIGHTS, PLANES], [answer("s0", 0, 2), answer("s1", 1, 3)])


def test_a_bucket_at_no_shard_is_refused() -> None:
    with pytest.raises(Refused, match=r"\('aircraft', 3\)\] at no shard"):
        must_cover_once([FLIGHTS], [answer("s0", 0, 2), answer("s1", 1)])


def test_a_bucket_at_two_shards_is_refused() -> None:
    with pytest.raises(Refused, match=r"\('aircraft', 2\)\] at two"):
        must_cover_once([FLIGHTS], [answer("s0", 0, 2), answer("s1", 1, 2, 3)])


def test_each_group_has_to_be_covered() -> None:
    with pytest.raises(Refused, match="trips"):
        must_cover_once([FLIGHTS, TRIPS], [answer("s0", 0, 1, 2, 3), answer("s0", 0, group="trips")])


def test_without_tables_nothing_has_to_be_covered() -> None:
    must_cover_once([], [])


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT count(*) FROM flights", ["flights"]),
        ('select * from "planes" p, FLIGHTS', ["flights", "planes"]),
        ("SELECT * FROM flights_archive JOIN trips ON true", ["trips"]),
    ],
)
def test_the_tables_that_sql_names_are_found(sql: str, names: list[str]) -> None:
    assert [table.name for table in tables_read(MAP, sql)] == names


def test_sql_that_names_no_table_has_to_say_so() -> None:
    with pytest.raises(ConfigurationError, match=r"tables=\[\]"):
        tables_read(MAP, "SELECT version()")


@pytest.mark.parametrize(
    ("sql", "start", "end"),
    [
        ("SELECT 1 FROM flights", 'WITH "flights" AS NOT MATERIALIZED', ") SELECT 1 FROM flights"),
        ("with x AS (SELECT 1) SELECT", 'WITH "flights" AS NOT MATERIALIZED', "),  x AS (SELECT 1) SELECT"),
        ("/* a */ -- b\n WITH RECURSIVE x AS (SELECT 1)", 'WITH RECURSIVE "flights"', "),  x AS (SELECT 1)"),
        ("SELECT 1 -- WITH", 'WITH "flights"', ") SELECT 1 -- WITH"),
    ],
)
def test_the_restriction_comes_before_the_statement(sql: str, start: str, end: str) -> None:
    hidden = hide_tables(sql, [FLIGHTS])
    assert hidden.startswith(start)
    assert hidden.endswith(end)


@pytest.mark.parametrize("name", ["public.flights", 'PUBLIC . "flights"', '"public"."flights"'])
def test_a_schema_name_would_go_round_the_restriction(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write flights, not public\.flights"):
        hide_tables(f"SELECT * FROM {name}", [FLIGHTS])
