"""Sessions of the operator's leader on the shards: one term, and no leader of an older term can act beside it.

Every session carries its term in `application_name` and enters it before anything else. Entering a newer term first raises the
persisted term (so that an older leader's next session is refused), then ends the older sessions and waits until they are
gone. A leader that has slept therefore finds its sessions dead and its term refused; no statement has to check again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

Connection = AsyncConnection[TupleRow]
Query = str | SQL | Composed

OPERATOR = "caisson-operator"
FENCE = "caisson-fence"
LATER_TERM = "CS003"

# A hung or vanished server must not hold the operator: these bound what TCP itself would wait for.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3000,
}

END_OLDER = """
SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name ~ '^caisson-(operator|fence)/[0-9]+$' AND split_part(application_name, '/', 2)::bigint < %s
"""


class DeposedError(Exception):
    """A leader of a later term has been at this shard: this process must not act any more."""


@dataclass(slots=True)
class Sessions:
    """Opens sessions by shard name; keeps one open a shard for reading and for steps that need no other.

    `conninfo` gives the superuser's connection string of a shard's primary, `owner_conninfo` that of the migrations' role.
    `others` give both where a shard may have other passwords than those: they are tried in turn where it refuses one.
    """

    conninfo: Callable[[str], str]
    owner_conninfo: Callable[[str], str]
    term: int
    others: Sequence[tuple[Callable[[str], str], Callable[[str], str]]] = ()
    _kept: dict[str, Connection] = field(default_factory=dict)

    async def get(self, shard: str) -> Connection:
        kept = self._kept.get(shard)
        if kept is None or kept.closed:
            kept = self._kept[shard] = await self.open(shard)
        return kept

    async def drop(self, shard: str) -> None:
        kept = self._kept.pop(shard, None)
        if kept is not None:
            await kept.close()

    async def close(self) -> None:
        for shard in tuple(self._kept):
            await self.drop(shard)

    async def open(self, shard: str, purpose: str = OPERATOR) -> Connection:
        """A new session in autocommit, entered into this term. DeposedError when a later one has begun."""
        name = f"{purpose}/{self.term}"
        connection = await _connect((self.conninfo, *(superuser for superuser, _ in self.others)), shard, name)
        try:
            await self._enter(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    @asynccontextmanager
    async def session(self, shard: str, purpose: str = OPERATOR) -> AsyncIterator[Connection]:
        connection = await self.open(shard, purpose)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def owner_session(self, shard: str) -> AsyncIterator[Connection]:
        """A session of the role that owns the application's tables: what it runs cannot become the superuser."""
        await self.get(shard)  # has raised the term and ended older sessions
        ways = (self.owner_conninfo, *(owner for _, owner in self.others))
        connection = await _connect(ways, shard, f"{OPERATOR}/{self.term}")
        try:
            if await fetch_value(connection, "SELECT term FROM caisson.term") != self.term:
                raise DeposedError(f"{shard} has seen a later term than {self.term}")
            yield connection
        finally:
            await connection.close()

    async def _enter(self, connection: Connection) -> None:
        installed = await fetch_value(connection, "SELECT to_regprocedure('caisson.enter_term(bigint)') IS NOT NULL")
        if not installed:
            return
        try:
            await connection.execute("SELECT caisson.enter_term(%s)", (self.term,))
        except psycopg.Error as error:
            if error.sqlstate == LATER_TERM:
                raise DeposedError(str(error)) from error
            raise
        if await fetch_value(connection, END_OLDER, (self.term,)) is False:
            raise TimeoutError("a session of an older leader has not ended yet")


async def _connect(ways: Sequence[Callable[[str], str]], shard: str, name: str) -> Connection:
    """The first that the server lets in. What else is wrong with it would be so with every password."""
    *others, last = (make_conninfo(way(shard), application_name=name, **PATIENCE) for way in ways)
    for conninfo in others:
        try:
            return await AsyncConnection.connect(conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            if not (error.pgconn and error.pgconn.used_password):
                raise
    return await AsyncConnection.connect(last, autocommit=True)


async def fetch_value(connection: Connection, sql: Query, params: Any = None) -> Any:
    """The first column of the first row; None where there is no row."""
    row = await (await connection.execute(sql, params)).fetchone()
    return None if row is None else row[0]


async def fetch_all(connection: Connection, sql: Query, params: Any = None) -> list[TupleRow]:
    return await (await connection.execute(sql, params)).fetchall()
