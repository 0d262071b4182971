"""Lock spaces in the tables of locks.sql, on a shard or on any other PostgreSQL."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from caisson_operator.core.lock_space import Holder, Lock, SpaceView, StoreUnreachable, StoreUnusable
from caisson_operator.effects.postgres.sessions import PATIENCE

STATEMENT_MILLISECONDS = 5000
NOT_OPEN = "CS020"
_TABLES = "SELECT to_regprocedure('caisson.lock_version()') IS NOT NULL"
_EPOCH = """
SELECT caisson.lock_epoch(%(space)s), (SELECT base FROM caisson.lock_space WHERE space = %(space)s)
"""
_TOTALS = (
    "SELECT coalesce(sum(counter), 0)::bigint, coalesce(sum(waited), 0)::bigint FROM caisson.lock_name WHERE space = %s"
)
_CLAIMS = """
SELECT name, owner, mode, token, greatest(0, extract(epoch FROM now - held_since))::float8
FROM caisson.lock_claim, caisson.lock_now() AS now
WHERE space = %s AND expires_at > now ORDER BY name, ticket
"""


async def read_space(entries: Mapping[str, str], space: str) -> SpaceView:
    async with connected(entries) as connection:
        if not await _value(connection, _TABLES):
            return SpaceView(is_open=False)
        try:
            epoch, base = await _row(connection, _EPOCH, {"space": space})
        except psycopg.Error as error:
            if error.sqlstate != NOT_OPEN:
                raise
            return SpaceView(is_open=False)
        granted, waited = await _row(connection, _TOTALS, (space,))
        rows = await (await connection.execute(_CLAIMS, (space,))).fetchall()
    return SpaceView(True, epoch, base, granted, waited, _build_locks(rows))


async def open_space(entries: Mapping[str, str], space: str, base: int) -> None:
    """The tables are made where they are missing and this user may."""
    async with connected(entries) as connection:
        if not await _value(connection, _TABLES):
            await _make_tables(connection)
        await connection.execute("SELECT caisson.lock_open(%s, true, %s)", (space, base))


async def release(entries: Mapping[str, str], space: str, lock: str, highest_token: int) -> int:
    """In one transaction: those who wait are let in by the same functions as after any release."""
    async with connected(entries) as connection, connection.transaction():
        at = await _value(connection, "SELECT caisson.lock_enter(%s, %s)", (space, lock))
        gone = await connection.execute(
            "DELETE FROM caisson.lock_claim WHERE space = %s AND name = %s AND token <= %s",
            (space, lock, highest_token),
        )
        await connection.execute("SELECT caisson.lock_settle(%s, %s, %s)", (space, lock, at))
        return gone.rowcount


async def _make_tables(connection: AsyncConnection[TupleRow]) -> None:
    text = resources.files("caisson_operator.effects.postgres").joinpath("locks.sql").read_text()
    try:
        await connection.execute(text.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        told = "the tables of the locks are missing, and this user may not make them (it needs CREATE on the database)"
        raise StoreUnusable(told) from error


@asynccontextmanager
async def connected(entries: Mapping[str, str]) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A session by the entries of a binding. Raises StoreUnreachable, StoreUnusable."""
    with tempfile.TemporaryDirectory(prefix="caisson-lock-") as folder:
        try:
            connection = await AsyncConnection.connect(_conninfo(entries, Path(folder)), autocommit=True)
            async with connection:
                yield connection
        except psycopg.errors.InvalidPassword as error:
            raise StoreUnusable("the database does not accept the username and password") from error
        except psycopg.ProgrammingError as error:
            raise StoreUnusable(f"the database refused: {_tell(error)}") from error
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise StoreUnreachable(_tell(error)) from error


def _conninfo(entries: Mapping[str, str], folder: Path) -> str:
    """`folder` takes the authority's certificate, which libpq wants in a file."""
    options = {
        **PATIENCE,
        "application_name": "caisson-operator-locks",
        "target_session_attrs": "read-write",
        "options": f"-c statement_timeout={STATEMENT_MILLISECONDS}",
    }
    if authority := entries.get("ca.crt"):
        (folder / "ca.crt").write_text(authority)
        options |= {"sslmode": "verify-full", "sslrootcert": str(folder / "ca.crt")}
    if "host" not in entries:
        return make_conninfo(entries["uri"], **options)
    names = {"host": "host", "port": "port", "database": "dbname", "username": "user", "password": "password"}
    return make_conninfo(
        "", **options, **{ours: entries[theirs] for theirs, ours in names.items() if theirs in entries}
    )


async def _value(connection: AsyncConnection[TupleRow], query: str, parameters: Any = None) -> Any:
    return (await _row(connection, query, parameters))[0]


async def _row(connection: AsyncConnection[TupleRow], query: str, parameters: Any = None) -> TupleRow:
    row = await (await connection.execute(query.encode(), parameters)).fetchone()
    assert row is not None, "each of these statements returns one row"
    return row


def _build_locks(rows: list[TupleRow]) -> tuple[Lock, ...]:
    found: dict[str, tuple[list[Holder], list[str]]] = {}
    for name, owner, mode, token, held_seconds in rows:
        holders, waiting = found.setdefault(name, ([], []))
        if token is None:
            waiting.append(owner)
        else:
            holders.append(Holder(owner, mode, token, held_seconds))
    return tuple(Lock(name, tuple(holders), tuple(waiting)) for name, (holders, waiting) in found.items())


def _tell(error: Exception) -> str:
    """One line. A connection string may be in none of these."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (told or str(error).strip().split("\n")[0] or type(error).__name__)[:300]
