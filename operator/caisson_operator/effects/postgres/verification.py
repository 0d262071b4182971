"""Compare source and target row by row while writers go on.

Chunk by chunk along the primary key: count and sum of row hashes on both sides. A chunk that differs is looked at again once the
subscription has passed what was committed before; if it still differs it is drilled down to rows, and a row counts as a
mismatch only if, looked at again after another catch-up, the target still lacks or differs from what the source had at both looks.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from caisson_operator.core.layout import Leaf, SwitchGroup

from .beats import pass_through
from .fence import PREFLIGHT_SECONDS
from .schema import identify
from .sessions import Connection, Sessions, fetch_all, fetch_value

CHUNK_ROWS = 20_000
LOOKS = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """The two sides of one leaf, with the sessions to look at them."""

    group: SwitchGroup
    leaf: Leaf
    key: tuple[str, ...]
    source: Connection
    target: Connection

    async def catch_up(self) -> None:
        await pass_through(self.source, self.target, self.group, PREFLIGHT_SECONDS)


async def verify(sessions: Sessions, group: SwitchGroup) -> int:
    """Compare every leaf of the group, record what was found on the target, and return the number of rows that differ.

    Leaves found equal are recorded one by one: after a crash the rest goes on.
    """
    async with sessions.session(group.source) as source, sessions.session(group.target) as target:
        for connection in (source, target):
            await connection.execute(SAME_TEXT)
        mismatches = 0
        for leaf in group.leaves:
            done = (group.expansion, group.number, leaf.name)
            if not await fetch_value(target, IS_VERIFIED, done):
                pair = Pair(group, leaf, await _primary_key(source, leaf), source, target)
                rows, differing = await _compare(pair)
                mismatches += differing
                if not differing:
                    await target.execute(LEAF_VERIFIED, (*done, rows))
        await target.execute(
            GROUP_VERIFIED, {"mismatches": mismatches, "expansion": group.expansion, "number": group.number}
        )
    return mismatches


async def _compare(pair: Pair) -> tuple[int, int]:
    """(rows compared, rows that differ) of one leaf."""
    rows = differing = 0
    after: tuple[Any, ...] | None = None
    while True:
        upto = await _chunk_end(pair, after)
        count, same = await _same(pair, after, upto)
        rows += count
        if not same:
            # A changed row stands on both sides, under one key.
            differing += len({key for key, _ in await _differing_rows(pair, after, upto)})
        if upto is None:
            return rows, differing
        after = upto


async def _same(pair: Pair, after: tuple[Any, ...] | None, upto: tuple[Any, ...] | None) -> tuple[int, bool]:
    for _ in range(LOOKS):
        left = await _digest(pair.source, pair, after, upto)
        if left == await _digest(pair.target, pair, after, upto):
            return left[0], True
        await pair.catch_up()
    return left[0], False


async def _differing_rows(
    pair: Pair, after: tuple[Any, ...] | None, upto: tuple[Any, ...] | None
) -> set[tuple[str, int]]:
    """Rows (key, hash) of either side that the other has lacked at every look: a row that a writer keeps changing is none."""
    standing: set[tuple[str, int]] | None = None
    for _ in range(LOOKS):
        left = await _hashes(pair.source, pair, after, upto)
        await pair.catch_up()
        differing = left ^ await _hashes(pair.target, pair, after, upto)
        standing = differing if standing is None else standing & differing
        if not standing:
            break
    return standing or set()


async def _chunk_end(pair: Pair, after: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """The key at which this chunk ends; None for the last one, which is open so that the target's surplus is seen."""
    text = sql.SQL("SELECT {key} FROM {leaf} WHERE {range} ORDER BY {key} OFFSET {rows} LIMIT 1").format(
        key=_columns(pair), leaf=identify(pair.leaf), range=_range(pair, after, None), rows=sql.Literal(CHUNK_ROWS)
    )
    return await (await pair.source.execute(text)).fetchone()


async def _digest(
    side: Connection, pair: Pair, after: tuple[Any, ...] | None, upto: tuple[Any, ...] | None
) -> tuple[int, int]:
    text = "SELECT count(*), coalesce(sum(hashtextextended(row::text, 0)), 0) FROM {} AS row WHERE {}"
    (row,) = await fetch_all(side, sql.SQL(text).format(identify(pair.leaf), _range(pair, after, upto)))
    return row[0], row[1]


async def _hashes(
    side: Connection, pair: Pair, after: tuple[Any, ...] | None, upto: tuple[Any, ...] | None
) -> set[tuple[str, int]]:
    text = sql.SQL("SELECT ROW({})::text, hashtextextended(row::text, 0) FROM {} AS row WHERE {}").format(
        _columns(pair), identify(pair.leaf), _range(pair, after, upto)
    )
    return {(row[0], row[1]) for row in await fetch_all(side, text)}


def _columns(pair: Pair) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, pair.key))


def _range(pair: Pair, after: tuple[Any, ...] | None, upto: tuple[Any, ...] | None) -> sql.Composed:
    bounds = [("({}) > ({})", after), ("({}) <= ({})", upto)]
    parts = [
        sql.SQL(text).format(_columns(pair), sql.SQL(", ").join(map(sql.Literal, value)))
        for text, value in bounds
        if value is not None
    ]
    return sql.SQL(" AND ").join([sql.SQL("true").format(), *parts])


async def _primary_key(source: Connection, leaf: Leaf) -> tuple[str, ...]:
    rows = await fetch_all(source, PRIMARY_KEY, (f"{leaf.schema}.{leaf.name}",))
    return tuple(name for (name,) in rows)


# row::text depends on these, and the two sides must print alike.
SAME_TEXT = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'"

PRIMARY_KEY = """
SELECT attname FROM pg_index, unnest(indkey::int2[]) WITH ORDINALITY AS key (number, place)
JOIN pg_attribute ON attnum = key.number
WHERE indrelid = %s::regclass AND indisprimary AND attrelid = indrelid ORDER BY place
"""

IS_VERIFIED = "SELECT 1 FROM caisson.verified_leaf WHERE expansion = %s AND number = %s AND leaf = %s"

LEAF_VERIFIED = "INSERT INTO caisson.verified_leaf (expansion, number, leaf, row_count) VALUES (%s, %s, %s, %s)"

GROUP_VERIFIED = """
UPDATE caisson.switch_group SET mismatches = %(mismatches)s,
    verified_at = CASE WHEN %(mismatches)s = 0 THEN clock_timestamp() END,
    row_count = (SELECT coalesce(sum(row_count), 0) FROM caisson.verified_leaf WHERE expansion = %(expansion)s AND number = %(number)s)
WHERE expansion = %(expansion)s AND number = %(number)s
"""
