"""Reads of whole tables: every bucket counted exactly once, also while buckets move.

While a bucket moves its leaf may be attached on two shards, or on none, so "all rows that each shard has" is wrong. Each
shard therefore answers from ONE REPEATABLE READ snapshot: the buckets that it owns in that snapshot, then the statement
restricted to exactly their leaves, then the leaves that are attached now; an owned leaf that is no longer attached may
have been missed, so that answer is void. The answers count only if the owned buckets of all shards together are every
bucket exactly once; otherwise all shards are asked again. (The leaves as the snapshot sees them, `pg_inherits`, do not
do: partitions are pruned by the catalog of now.) That no leaf is missed which a session has yet to hear of rests on the operator: it
claims a leaf only once the commit that attached it is over.

How plain SQL gets its restriction: a common table expression in front of it, of the same name as the table, hides it:

    WITH flights AS NOT MATERIALIZED (SELECT * FROM public.flights WHERE tableoid = ANY (...)) SELECT count(*) FROM flights

No catalog is written (temporary views would bloat it), and the planner inlines it. A table behind a view, a function or
a schema name is not hidden: the schema name is refused, views and functions over sharded tables are the caller's to avoid.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from caisson.attempt import InDoubt, Refused, attempt, must_be_newest
from caisson.connections import ShardConnection
from caisson.endpoints import Endpoints
from caisson.errors import ConfigurationError, ScatterIncomplete, Unavailable
from caisson.map_source import MapSource
from caisson.messages import Rows, send
from caisson.outcome import Verdict
from caisson.pacing import Pacing
from caisson.shard_map import Address, Placement, ShardMap, Table
from caisson.statements import COMMIT, bind, identifier, literal
from caisson.transaction import refuse_ended, result_of

BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SCHEMA = "public"
_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_WITH = re.compile(rf"{_BLANK}WITH\b({_BLANK}RECURSIVE\b)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScatterResult:
    """One shard's rows."""

    shard: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """What one shard answered, with the buckets that the answer covers: (group, bucket)."""

    result: ScatterResult
    covered: tuple[tuple[str, int], ...]


def scatter(
    endpoints: Endpoints,
    source: MapSource,
    sql: str,
    params: Any,
    tables: Sequence[str] | None,
    timeout_seconds: float,
) -> list[ScatterResult]:
    """Ask every shard until the answers fit together. `tables`: which sharded tables `sql` reads, by default those named.

    Raises ScatterIncomplete at the deadline. With `tables=[]` nothing is restricted or checked: for questions about
    the servers themselves.
    """
    pacing = Pacing(source, timeout_seconds, is_repeatable=True)
    while True:
        pacing.begin_attempt()
        current = source.current
        read = tables_read(current, sql) if tables is None else [current.table(name) for name in tables]
        try:
            answers = _ask_all(endpoints, current, hide_tables(sql, read), params, read, pacing.deadline)
            must_cover_once(read, answers)
            return [answer.result for answer in answers]
        except (Refused, InDoubt) as failure:
            _pause(pacing, failure)


def _pause(pacing: Pacing, failure: Refused | InDoubt) -> None:
    try:
        pacing.after(failure)
    except Unavailable as error:
        raise ScatterIncomplete(str(error)) from failure


def tables_read(current: ShardMap, sql: str) -> list[Table]:
    """The sharded tables whose names occur in the SQL. One too many does no harm, but that it is checked too."""
    words = set(re.findall(r"\w+", sql.lower()))
    found = [table for table in current.tables.values() if table.name.lower() in words]
    if not found:
        raise ConfigurationError(
            "the SQL names no sharded table, so there is nothing to make sure of; if it is meant to, say tables=[]"
        )
    return found


def hide_tables(sql: str, tables: Sequence[Table]) -> str:
    """The SQL with each table hidden behind a common table expression of its owned rows."""
    for table in tables:
        if re.search(rf'\b{SCHEMA}"?\s*\.\s*"?{re.escape(table.name)}\b', sql, re.IGNORECASE):
            raise ConfigurationError(f"write {table.name}, not {SCHEMA}.{table.name}: scatter restricts the plain name")
    if not tables:
        return sql
    hidden = ", ".join(_owned_rows(table) for table in tables)
    begins_with = _WITH.match(sql)
    if begins_with is None:
        return f"WITH {hidden} {sql}"
    return f"WITH{begins_with.group(1) or ''} {hidden}, {sql[begins_with.end() :]}"


def must_cover_once(tables: Sequence[Table], answers: Sequence[ShardAnswer]) -> None:
    """Raise Refused unless every bucket of every table group was answered for by exactly one shard."""
    counted = Counter(pair for answer in answers for pair in answer.covered)
    wanted = {(table.group, bucket) for table in tables for bucket in range(table.buckets)}
    missing = sorted(wanted - counted.keys())
    twice = sorted(pair for pair, times in counted.items() if times > 1)
    if missing or twice:
        raise Refused(Verdict.MOVED, f"buckets on the move: {missing[:5]} at no shard, {twice[:5]} at two")


def _owned_rows(table: Table) -> str:
    leaf = f"'{SCHEMA}.' || quote_ident({literal(table.name + '_b')} || bucket)"
    name = identifier(table.name)
    return (
        f"{name} AS NOT MATERIALIZED (SELECT * FROM {SCHEMA}.{name} "
        f"WHERE tableoid = ANY (ARRAY(SELECT to_regclass({leaf})::pg_catalog.oid {_owned(table)})))"
    )


def _owned(table: Table) -> str:
    return (
        f"FROM caisson.shard_map WHERE table_group = {literal(table.group)} "
        "AND owner = (SELECT shard FROM caisson.identity)"
    )


def _owned_and_attached(table: Table) -> tuple[str, str]:
    """Two statements: the buckets that are owned in the snapshot, and the leaves that are attached now."""
    root = literal(f"{SCHEMA}.{identifier(table.name)}")
    attached = f"SELECT c.relname FROM pg_partition_tree({root}) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf"
    return f"SELECT bucket {_owned(table)}", attached


def _ask_all(
    endpoints: Endpoints, current: ShardMap, sql: str, params: Any, tables: Sequence[Table], deadline: float
) -> list[ShardAnswer]:
    """Ask the shards at the same time; the first failure by the shards' order is raised."""
    groups = {table.group for table in tables}
    owners = {each.shard for each in current.placements.values() if each.group in groups}
    shards = sorted(owners if tables else current.addresses, key=_natural)
    if not shards:
        raise Refused(Verdict.MOVED, "no shard has been heard yet")

    def ask(shard: str) -> ShardAnswer:
        address: Address = current.addresses[shard]
        no_gates: list[Placement] = []
        return attempt(
            endpoints.primary_pool(address),
            deadline,
            no_gates,
            lambda connection, _: _ask(connection, shard, sql, params, tables),
        )

    with ThreadPoolExecutor(len(shards)) as workers:
        return list(workers.map(ask, shards))


def _ask(connection: ShardConnection, shard: str, sql: str, params: Any, tables: Sequence[Table]) -> ShardAnswer:
    checks = [_owned_and_attached(table) for table in tables]
    before, after = [owned for owned, _ in checks], [attached for _, attached in checks]
    try:
        answers = send(connection, BEGIN_SNAPSHOT, *before, bind(connection, sql, params), *after, COMMIT)
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ConfigurationError(f"scatter only reads: {error}") from error
    must_be_newest(connection)
    count = len(tables)
    statement = answers[1 + count : -1 - count]
    refuse_ended(statement)
    owned = [sorted(bucket for (bucket,) in answer.rows) for answer in answers[1 : 1 + count]]
    attached = [{leaf for (leaf,) in answer.rows} for answer in answers[-1 - count : -1]]
    for table, buckets, leaves in zip(tables, owned, attached, strict=True):
        _must_be_attached(shard, table, buckets, leaves)
    covered = {(table.group, bucket) for table, buckets in zip(tables, owned, strict=True) for bucket in buckets}
    return ShardAnswer(ScatterResult(shard, result_of(statement).rows), tuple(sorted(covered)))


def _must_be_attached(shard: str, table: Table, buckets: Iterable[int], leaves: set[str]) -> None:
    gone = [bucket for bucket in buckets if f"{table.name}_b{bucket}" not in leaves]
    if gone:
        raise Refused(Verdict.MOVED, f"buckets {gone[:5]} of {table.name!r} are leaving shard {shard}")


def _natural(shard: str) -> tuple[int, str]:
    return len(shard), shard
