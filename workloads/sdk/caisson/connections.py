"""Connections to one server: with a deadline for every answer, and a small pool that forgets the dead at once.

Why not psycopg_pool: its workers retry a refused connection after 1, 2, 4, 8... seconds and the waiting caller never
learns why it waits. Here the caller itself connects, so that the first attempt after a failover is the one that counts,
and an idle connection whose server has gone is noticed before a statement is sent (its outcome would be unknown).
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen

RV = TypeVar("RV")

SYNC_REPLICATION_WAIT = "SyncRepWaitForLSN"
_TIMED_OUT = psycopg.errors._WaitTimeout
_POLL_SECONDS = 0.1


class ServerSilent(psycopg.OperationalError):
    """The server did not answer before the deadline; the connection is closed, not cancelled."""


class PasswordRefused(psycopg.OperationalError):
    """The server did not let this user in, with the newest password that the binding holds."""


class NotConnected(Exception):
    """No connection to the server could be had, or it is not ready to serve. Nothing was done."""


class ShardConnection(psycopg.Connection[tuple[Any, ...]]):
    """A psycopg connection that never waits past `deadline` (time.monotonic), and remembers an unreplicated commit.

    A statement that overruns is not cancelled (a cancelled COMMIT looks like a success): the socket is closed.
    """

    deadline: float | None = None
    is_unreplicated: bool = False

    def wait(self, gen: PQGen[RV], interval: float = _POLL_SECONDS, timeout: float | None = None) -> RV:
        if self.deadline is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(0.0, self.deadline - time.monotonic()))
        except _TIMED_OUT:
            self.pgconn.finish()
            raise ServerSilent("the server did not answer before the deadline") from None

    def note_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Catch the WARNING that a commit gave up waiting for its standby. The message may be translated, this not."""
        if diagnostic.source_function == SYNC_REPLICATION_WAIT:
            self.is_unreplicated = True


def open_connection(conninfo: str) -> ShardConnection:
    """Connect in autocommit: the SDK sends BEGIN and COMMIT itself, in the same message as the statements."""
    connection: ShardConnection = ShardConnection.connect(
        conninfo, autocommit=True, cursor_factory=psycopg.ClientCursor, prepare_threshold=None
    )
    connection.add_notice_handler(connection.note_notice)
    return connection


class Pool:
    """At most `size` connections to one server, the latest used first. Thread-safe."""

    def __init__(self, connect: Callable[[], ShardConnection], size: int) -> None:
        self._connect = connect
        self._size = size
        self._slots = threading.BoundedSemaphore(size)
        self._counting = threading.Lock()
        self._lent = 0
        self.most_lent = 0
        self._idle: deque[ShardConnection] = deque()
        self._is_closed = False
        self._resting_until = 0.0

    @contextmanager
    def connection(self, deadline: float) -> Iterator[ShardConnection]:
        """Lend a connection that is in no transaction; it is kept only if it comes back like that.

        Raises NotConnected, never the server's own error, so that no error of a statement is taken for it.
        """
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise NotConnected("no connection became free before the deadline; is pool_size too small?")
        self._count(1)
        try:
            connection = self._take() or self._open()
            try:
                connection.deadline, connection.is_unreplicated = deadline, False
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._count(-1)
            self._slots.release()

    def warm(self, wanted: int) -> None:
        """Open connections until `wanted` are idle: who comes first to a server does not wait for its handshake."""
        while len(self._idle) < min(wanted, self._size) and not self._is_closed:
            self._give_back(self._open())

    def discard_idle(self) -> None:
        """Close what is idle: after one connection broke, the others lead to the same dead server."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def rest(self, seconds: float) -> None:
        """Ask nothing of this server for a while (where another can answer instead)."""
        self._resting_until = time.monotonic() + seconds

    def is_resting(self) -> bool:
        return time.monotonic() < self._resting_until

    def close(self) -> None:
        self._is_closed = True
        self.discard_idle()

    def _count(self, change: int) -> None:
        with self._counting:
            self._lent += change
            self.most_lent = max(self.most_lent, self._lent)

    def _take(self) -> ShardConnection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if is_quiet(connection):
                return connection
            connection.close()

    def _open(self) -> ShardConnection:
        try:
            return self._connect()
        except psycopg.OperationalError as error:
            raise NotConnected(str(error)) from error

    def _give_back(self, connection: ShardConnection) -> None:
        idle = pq.TransactionStatus.IDLE
        if self._is_closed or connection.closed or connection.pgconn.transaction_status != idle:
            connection.close()
        else:
            connection.deadline = None
            self._idle.append(connection)


def is_quiet(connection: ShardConnection) -> bool:
    """Whether nothing has come from the server since: an idle connection only ever hears of its end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
