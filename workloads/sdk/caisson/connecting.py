"""Opens a connection without hanging on one server: handshakes race, and the first that is let in wins.

A server that hangs still accepts TCP (its kernel does), and a dead address swallows packets: neither ever says no. So a
handshake that is not done within a short budget is joined by another one, to the host's next address or to whatever its
name means by now. It is not given up for that: a server that is merely slow would never be reached.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import closing
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_attempts, conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn

FIRST_BUDGET_SECONDS = 0.4
LONGEST_BUDGET_SECONDS = 1.0
MOST_RUNNING = 8
"""With more handshakes than this the oldest is given up: it has had several seconds."""
LOOK_UP_SECONDS = 0.1


class NotConnected(Exception):
    """No connection to the server could be had, or it is not ready to serve. Nothing was done."""


class PasswordRefused(psycopg.OperationalError):
    """The server did not let this user in, with the newest password that the binding holds."""


def connect_first(
    conninfo: str, deadline: float, is_given_up: Callable[[], bool], passed_over: Collection[str] = ()
) -> PGconn:
    """The first connection that is let in, in libpq's nonblocking mode. `deadline` is of time.monotonic().

    `passed_over` are IP addresses that are not asked. Raises the last refusal once every other address has refused,
    NotConnected if there is none, ConnectionTimeout at the deadline.
    """
    with closing(Race(conninfo, passed_over)) as race:
        while True:
            if is_given_up():
                raise psycopg.OperationalError("not connected: the database was closed meanwhile")
            left = deadline - time.monotonic()
            if left <= 0:
                raise psycopg.errors.ConnectionTimeout(f"no server let a connection in before the deadline{race.said}")
            race.join_if_due()
            winner = race.advance(min(left, LOOK_UP_SECONDS))
            if winner is not None:
                winner.nonblocking = 1
                return winner


class Race:
    """Handshakes that are under way at the same time, each with one address."""

    def __init__(self, conninfo: str, passed_over: Collection[str] = ()) -> None:
        self._parameters = conninfo_to_dict(conninfo)
        self._passed_over = passed_over
        self._waiting: deque[str] = deque()
        self._running: deque[PGconn] = deque()
        self._selector = DefaultSelector()
        self._budget_seconds = FIRST_BUDGET_SECONDS
        self._next_at = 0.0
        self._refusal: psycopg.OperationalError | None = None

    @property
    def said(self) -> str:
        """What the last server that refused had to say, for a message."""
        return f"; another one said: {self._refusal}" if self._refusal else ""

    def join_if_due(self) -> None:
        """Begin another handshake where those under way have used up their budget, or none is.

        Raises the last refusal where all addresses have given one.
        """
        if self._running and time.monotonic() < self._next_at:
            return
        if not self._waiting:
            if self._refusal is not None and not self._running:
                raise self._refusal
            self._begin_round()
        self._next_at = time.monotonic() + self._budget_seconds
        if self._waiting:
            self._begin_handshake(self._waiting.popleft())

    def advance(self, seconds: float) -> PGconn | None:
        """Go on with what is ready within `seconds`; the connection that is open, if there is one."""
        for key, _ in self._selector.select(min(seconds, max(0.0, self._next_at - time.monotonic()))):
            pgconn: PGconn = key.data
            self._selector.unregister(key.fileobj)
            if self._poll(pgconn):
                self._running.remove(pgconn)
                return pgconn
        return None

    def close(self) -> None:
        self._selector.close()
        while self._running:
            self._running.pop().finish()

    def _begin_round(self) -> None:
        """The name is looked up anew: after a failover it may mean another server."""
        if self._running:
            self._budget_seconds = min(self._budget_seconds * 2, LONGEST_BUDGET_SECONDS)
        try:
            addresses = conninfo_attempts(self._parameters)
        except psycopg.OperationalError as error:
            self._refusal = error
            if not self._running:
                raise
            return
        addresses = [each for each in addresses if each.get("hostaddr") not in self._passed_over]
        if not addresses and not self._running:
            raise NotConnected(f"the name has no address but {', '.join(self._passed_over)}")
        self._waiting += [make_conninfo("", **each) for each in addresses]

    def _begin_handshake(self, conninfo: str) -> None:
        if len(self._running) == MOST_RUNNING:
            self._end(self._running[0])
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        self._running.append(pgconn)
        if pgconn.status == pq.ConnStatus.BAD:
            self._refused(pgconn)
        else:
            self._selector.register(pgconn.socket, EVENT_WRITE, pgconn)

    def _poll(self, pgconn: PGconn) -> bool:
        """One step of a handshake; whether it is done."""
        match pgconn.connect_poll():
            case pq.PollingStatus.OK:
                return True
            case pq.PollingStatus.READING:
                self._selector.register(pgconn.socket, EVENT_READ, pgconn)
            case pq.PollingStatus.WRITING:
                self._selector.register(pgconn.socket, EVENT_WRITE, pgconn)
            case _:
                self._refused(pgconn)
        return False

    def _refused(self, pgconn: PGconn) -> None:
        """Note why, and let the next address have its turn at once."""
        self._refusal = _refusal(pgconn)
        self._running.remove(pgconn)
        pgconn.finish()
        if self._waiting:
            self._next_at = 0.0

    def _end(self, pgconn: PGconn) -> None:
        self._selector.unregister(pgconn.socket)
        self._running.remove(pgconn)
        pgconn.finish()


def _refusal(pgconn: PGconn) -> psycopg.OperationalError:
    """The error of a failed handshake. A server that has told its version has let the user in: it is a standby."""
    kind = psycopg.OperationalError
    if pgconn.used_password and pgconn.parameter_status(b"server_version") is None:
        kind = PasswordRefused
    return kind(f"connection failed: {pgconn.get_error_message()}")
