"""The SQL that the SDK wraps around an application's statements, and one message that carries it all.

A transaction travels as ONE message (caisson.messages), `BEGIN; statement; gate check; COMMIT`. The gate check comes after the statements and before COMMIT:
checking first is unsound, for the bucket may leave between the check and the statement.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from caisson.connections import ShardConnection
from caisson.errors import ConfigurationError
from caisson.fence import Fence
from caisson.messages import Rows
from caisson.outcome import UNPROTECTED
from caisson.shard_map import Placement

COMMIT = "COMMIT"
PROTECTED = ("on", "remote_apply")
"""The values of synchronous_commit with which an acknowledged write outlives its primary."""
WAIT_FOR_STANDBY = "SELECT pg_logical_emit_message(true, 'caisson', '')"
"""Gives a transaction something to replicate, so that its COMMIT waits until all that went before is replicated too."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement did. `is_replayed`: its idempotency key had been used, and nothing was done this time."""

    rowcount: int
    rows: Rows
    is_replayed: bool = False


def bind(connection: ShardConnection, statement: str, params: Any = None) -> str:
    """The statement with its parameters as literals, quoted by psycopg (a message of several takes no parameters)."""
    if "synchronous_commit" in statement.lower():
        raise ConfigurationError("synchronous_commit is not for applications: acknowledged writes would be lost")
    return statement if params is None else cursor_of(connection).mogrify(statement, params)


def cursor_of(connection: ShardConnection) -> Any:
    """The connection's cursor, which binds on the client's side (its `mogrify` is not in Cursor's type)."""
    return connection.cursor()


def gate_check(placements: Sequence[Placement]) -> str:
    """A statement that fails with CS001 unless every bucket's gate still shows the epoch that the client knows.

    It also fails, with 22P02, where COMMIT would not wait for the standby. A name can be put together and a setting
    hidden in a function, so the text of the statements does not tell; the server does, and it costs nothing here.
    """
    gates = " AND ".join(f"(SELECT last_value FROM {_gate(each)}) = {each.epoch}" for each in placements)
    return f"SELECT CASE WHEN {gates} THEN {_PROTECTED_OR_FAIL} ELSE caisson.raise_moved() END"


_SETTING = "current_setting('synchronous_commit')"
_PROTECTED_OR_FAIL = f"CASE WHEN {_SETTING} IN {PROTECTED} THEN 1 ELSE ('{UNPROTECTED}' || {_SETTING})::int END"


def claim_check(placement: Placement) -> str:
    """A statement that fails with CS001 unless this server has seen its shard take the bucket at that epoch.

    For standbys: a gate is not transactional, so a standby can show the new epoch before it shows the leaf attached.
    """
    group, owner = literal(placement.group), literal(placement.shard)
    return (
        f"SELECT CASE WHEN EXISTS (SELECT FROM caisson.shard_map WHERE table_group = {group} AND bucket = "
        f"{placement.bucket} AND owner = {owner} AND epoch = {placement.epoch}) THEN 1 ELSE caisson.raise_moved() END"
    )


def find_result(placement: Placement, key: str) -> str:
    """The stored result of an idempotency key, if its transaction has been committed."""
    return (
        f"SELECT result FROM caisson.{_idempotency(placement.group)} "
        f"WHERE bucket = {placement.bucket} AND key = {_key(key)}"
    )


def call_once(placement: Placement, key: str, statement: str) -> str:
    """Run a statement and store its rowcount under a key, all on the server; NULL where the key has been used."""
    arguments = f"{literal(placement.group)}, {placement.bucket}, {_key(key)}, {literal(statement)}"
    return f"SELECT caisson.execute_once({arguments})"


def returns_nothing(statement: str) -> bool:
    """Whether it is certainly one statement that changes rows and returns none. In doubt: no."""
    return _CHANGES_ROWS.fullmatch(statement) is not None and "returning" not in statement.lower()


_CHANGES_ROWS = re.compile(r"\s*(insert|update|delete)\s[^;]*", re.IGNORECASE)


FENCE_PREFIX = "caisson:fence:"
"""Begins the keys under which the shards keep fences, among the idempotency keys of applications."""


def raise_fence(placement: Placement, fence: Fence) -> str:
    """A statement that fails with CS004 if the bucket has seen a newer token of the lock, and else has seen this one."""
    arguments = f"{literal(placement.group)}, {placement.bucket}, {literal(fence.lock)}, {fence.token}"
    return f"SELECT caisson.raise_fence({arguments})"


def find_results(placements: Sequence[Placement], key: str) -> str:
    """The buckets, of several in one group, in which an idempotency key has a result."""
    buckets = ", ".join(str(each.bucket) for each in placements)
    table = f"caisson.{_idempotency(placements[0].group)}"
    return f"SELECT bucket FROM {table} WHERE bucket IN ({buckets}) AND key = {_key(key)}"


def store_result(placement: Placement, key: str, result: str) -> str:
    """Store a result (JSON text) under an idempotency key; a twin that committed first raises a unique violation."""
    return store_results([placement], key, result)


def store_results(placements: Sequence[Placement], key: str, result: str) -> str:
    """Store the same result in several buckets of one group."""
    values = ", ".join(f"({each.bucket}, {_key(key)}, {literal(result)}::jsonb)" for each in placements)
    table = f"caisson.{_idempotency(placements[0].group)}"
    return f"INSERT INTO {table} (bucket, key, result) VALUES {values}"


def literal(text: str) -> str:
    """A string literal, quoted by libpq's rules."""
    return sql.Literal(text).as_string(None)


def identifier(name: str) -> str:
    """An identifier, quoted."""
    return sql.Identifier(name).as_string(None)


def _key(text: str) -> str:
    """An application's idempotency key, as a literal."""
    if text.startswith(FENCE_PREFIX):
        raise ConfigurationError(f"no idempotency key may begin with {FENCE_PREFIX!r}: that is where fences are kept")
    return literal(text)


def _gate(placement: Placement) -> str:
    name = f"gate_{placement.group}_{placement.bucket}"
    return f"caisson.{identifier(name)}"


def _idempotency(group: str) -> str:
    return identifier(f"idempotency_{group}")
