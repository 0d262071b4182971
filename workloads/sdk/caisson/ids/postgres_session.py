"""One connection to the PostgreSQL that allocators keep their tables in, opened anew when it breaks.

In a ShardedDatabase of Caisson the operator makes the tables (ids.sql); on any other PostgreSQL they are made here.
"""

import time
from collections.abc import Mapping
from importlib import resources
from typing import Any

import psycopg

from caisson.binding import Reader, conninfo
from caisson.connections import ShardConnection, open_connection
from caisson.errors import ConfigurationError, IdsExhausted
from caisson.ids.grants import NotReachable
from caisson.ids.spaces import must_be_the_same
from caisson.refusals import NotConnected, PasswordRefused
from caisson.statements import PROTECTED

ANSWER_SECONDS = 2.0
TABLES = resources.files(__package__).joinpath("ids.sql").read_text()
KNOWN = "SELECT to_regclass('caisson.id_rollbacks') IS NOT NULL, to_regclass('caisson.id_segments') IS NOT NULL"
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('caisson.id_spaces'))"
"""CREATE ... IF NOT EXISTS by two at once can fail with a unique violation."""

Rows = list[tuple[Any, ...]]


class PostgresSession:
    """Not thread-safe. Every call is done, or raises NotReachable (done or not), or ConfigurationError (not done)."""

    def __init__(self, read_binding: Reader, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._read_binding = read_binding
        self._answer_seconds = answer_seconds
        self._binding = read_binding()
        self._connection: ShardConnection | None = None
        self._is_closed = False

    def ask(self, statement: str, parameters: Mapping[str, object]) -> Rows:
        """Execute one statement, in a transaction of its own; its rows.

        An answer counts only if every standby that has to has it: else a failover would bring the old state back.
        """
        connection = self._present_connection()
        connection.deadline, connection.is_unreplicated = time.monotonic() + self._answer_seconds, False
        try:
            cursor = connection.execute(statement.encode(), parameters)
            rows: Rows = cursor.fetchall() if cursor.description else []
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
            raise ConfigurationError(f"the tables of allocators cannot be used: {error}") from error
        except psycopg.errors.NumericValueOutOfRange as error:
            raise IdsExhausted(f"a bigint holds no higher id: {error}") from error
        except psycopg.Error as error:
            self._drop()
            raise NotReachable(f"PostgreSQL: {error}") from error
        if connection.is_unreplicated:
            raise NotReachable("PostgreSQL did not wait for its synchronous standby: the answer might be forgotten")
        return rows

    def keep_space(self, space: str, mode: str, layout: str) -> None:
        """Make the space, or see that it was made for the same ids. Raises ConfigurationError where it was not."""
        self._make_tables()
        asked = {"space": space, "mode": mode, "layout": layout}
        self.ask("INSERT INTO caisson.id_spaces VALUES (%(space)s, %(mode)s, %(layout)s) ON CONFLICT DO NOTHING", asked)
        ((made_mode, made_layout),) = self.ask(
            "SELECT mode, layout FROM caisson.id_spaces WHERE space = %(space)s", asked
        )
        must_be_the_same(space, (mode, layout), (made_mode, made_layout))

    def close(self) -> None:
        self._is_closed = True
        self._drop()

    def _make_tables(self) -> None:
        """Those of an earlier version will do where this user may make none: what is missing is for people alone."""
        ((is_complete, is_enough),) = self.ask(KNOWN, {})
        if is_complete:
            return
        try:
            self._execute_tables()
        except ConfigurationError:
            if not is_enough:
                raise

    def _execute_tables(self) -> None:
        connection = self._present_connection()
        try:
            with connection.transaction():
                connection.execute(ONE_AT_A_TIME)
                connection.execute(TABLES.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"the tables of allocators are not there, and this user may not make them: {error}"
            ) from error
        except psycopg.Error as error:
            self._drop()
            raise NotReachable(f"PostgreSQL: {error}") from error

    def _present_connection(self) -> ShardConnection:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def _open(self) -> ShardConnection:
        deadline = time.monotonic() + self._answer_seconds
        try:
            connection = self._connect(deadline)
        except (psycopg.Error, NotConnected) as error:
            raise NotReachable(f"PostgreSQL: {error}") from error
        try:
            ((setting,),) = connection.execute("SHOW synchronous_commit").fetchall()
        except psycopg.Error as error:
            connection.close()
            raise NotReachable(f"PostgreSQL: {error}") from error
        if setting not in PROTECTED:
            connection.close()
            raise ConfigurationError(
                f"synchronous_commit is {setting!r}: a mark that a failover forgets would repeat ids"
            )
        return connection

    def _connect(self, deadline: float) -> ShardConnection:
        """As who the binding says; once more with what it says by now, where the password was refused."""
        try:
            return self._connect_as_bound(deadline)
        except PasswordRefused:
            self._binding = self._read_binding()
            return self._connect_as_bound(deadline)

    def _connect_as_bound(self, deadline: float) -> ShardConnection:
        seed = self._binding.seeds[0]
        target = conninfo(
            self._binding, seed.host, seed.port, target_session_attrs="primary", application_name="caisson-ids"
        )
        return open_connection(target, deadline, lambda: self._is_closed)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
