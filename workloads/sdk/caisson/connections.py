"""Connections to one server: with a deadline for every answer, and a small pool that forgets the dead at once.

Why not psycopg_pool: its workers retry a refused connection after 1, 2, 4, 8... seconds and the waiting caller never
learns why it waits. Here the caller itself connects, so that the first attempt after a failover is the one that counts,
and an idle connection whose server has gone is noticed before a statement is sent (its outcome would be unknown).
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen

from caisson.connecting import Members, connect_first
from caisson.epoch import ShardEpoch
from caisson.refusals import NotConnected

RV = TypeVar("RV")

SYNC_REPLICATION_WAIT = "SyncRepWaitForLSN"
_TIMED_OUT = psycopg.errors._WaitTimeout
_POLL_SECONDS = 0.1
PATIENCE_SECONDS = 0.4


class ServerSilent(psycopg.OperationalError):
    """The server did not answer in time, or not before its successor did; the connection is closed, not cancelled."""


class ShardConnection(psycopg.Connection[tuple[Any, ...]]):
    """A psycopg connection that never waits past `deadline` (time.monotonic), and remembers an unreplicated commit.

    A statement that overruns is not cancelled (a cancelled COMMIT looks like a success): the socket is closed.
    """

    deadline: float | None = None
    is_unreplicated: bool = False
    epoch: ShardEpoch | None = None
    timeline: int = 0
    prepared: dict[str, str]
    """Statements whose plan the server keeps, by their text: their names (caisson.messages)."""
    sent_once: set[str]
    on_silence: Callable[["ShardConnection"], object] = staticmethod(lambda connection: None)
    """Called once a statement has gone without an answer for PATIENCE_SECONDS."""

    def is_outdated(self) -> bool:
        """Whether the shard has a newer primary than the one that this connection leads to."""
        return self.epoch is not None and self.timeline < self.epoch.newest_timeline

    def wait(self, gen: PQGen[RV], interval: float = _POLL_SECONDS, timeout: float | None = None) -> RV:
        if self.deadline is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        slice_seconds = PATIENCE_SECONDS
        while True:
            left = self.deadline - time.monotonic()
            try:
                return super().wait(gen, interval, max(0.0, min(left, slice_seconds)))
            except _TIMED_OUT:
                self._must_have_hope(left - slice_seconds)
            if slice_seconds == PATIENCE_SECONDS:
                self.on_silence(self)
                slice_seconds = _POLL_SECONDS  # a successor may be heard at any moment now

    def _must_have_hope(self, left_seconds: float) -> None:
        """Between two slices of a wait: close the socket and raise where the next one is of no use."""
        if left_seconds > 0 and not self.is_outdated():
            return
        self.pgconn.finish()
        before = "the deadline" if left_seconds <= 0 else "a newer primary of its shard was heard"
        raise ServerSilent(f"the server did not answer before {before}") from None

    def note_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Catch the WARNING that a commit gave up waiting for its standby. The message may be translated, this not."""
        if diagnostic.source_function == SYNC_REPLICATION_WAIT:
            self.is_unreplicated = True


def open_connection(
    conninfo: str,
    deadline: float,
    is_given_up: Callable[[], bool],
    passed_over: Collection[str] = (),
    members: Members | None = None,
) -> ShardConnection:
    """Connect in autocommit: the SDK sends BEGIN and COMMIT itself, in the same message as the statements."""
    connection = ShardConnection(connect_first(conninfo, deadline, is_given_up, passed_over, members))
    connection.autocommit = True
    connection.cursor_factory = psycopg.ClientCursor
    connection.prepare_threshold = None
    connection.deadline = deadline
    connection.prepared, connection.sent_once = {}, set()
    connection.add_notice_handler(connection.note_notice)
    return connection


class Pool:
    """At most `size` connections to one server, the latest used first. Thread-safe."""

    def __init__(self, connect: Callable[[float], ShardConnection], size: int) -> None:
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
            connection = self._take() or self._open(deadline)
            try:
                connection.deadline, connection.is_unreplicated = deadline, False
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._count(-1)
            self._slots.release()

    def warm(self, wanted: int, deadline: float) -> None:
        """Open connections until `wanted` are idle: who comes first to a server does not wait for its handshake."""
        while len(self._idle) < min(wanted, self._size) and not self._is_closed:
            self._give_back(self._open(deadline))

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
            if is_quiet(connection) and not connection.is_outdated():
                return connection
            connection.close()

    def _open(self, deadline: float) -> ShardConnection:
        try:
            return self._connect(deadline)
        except psycopg.Error as error:
            raise NotConnected(str(error)) from error

    def _give_back(self, connection: ShardConnection) -> None:
        if self._is_closed or connection.closed or not is_idle(connection) or connection.is_outdated():
            connection.close()
        else:
            connection.deadline = None
            self._idle.append(connection)


def is_idle(connection: ShardConnection) -> bool:
    """Whether the connection is in no transaction."""
    return bool(connection.pgconn.transaction_status == pq.TransactionStatus.IDLE)


def is_quiet(connection: ShardConnection) -> bool:
    """Whether nothing has come from the server since: an idle connection only ever hears of its end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
