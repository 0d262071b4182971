"""Opens a connection without hanging on one server: handshakes race, and the first that is let in wins.

A server that hangs still accepts TCP (its kernel does), and a dead address swallows packets: neither ever says no. So a
handshake that is not done within a short budget is joined by another one, to the host's next address or to whatever its
name means by now. It is not given up for that: a server that is merely slow would never be reached.

Where the host refuses, or has kept silent for longer than a busy server does, the shard's members are asked too, all at once,
and a standby among them again and again: the one that is promoted is reached before the host leads to it.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_attempts, conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn

from caisson.refusals import NotConnected, read_refusal

BUDGET_SECONDS = 0.4
LATER_BUDGET_SECONDS = 0.8
"""From the second round on: the server may be slow, and each handshake costs it more."""
AGAIN_SECONDS = 0.2
"""From a member's refusal until it is asked again, while another one says nothing: it may be the next primary."""
ROUNDS_OF_HOST = 2
"""Before the members are asked, where nobody refuses."""
MOST_TO_ONE = 8
"""With more handshakes than this to one address the oldest is given up: it has had several seconds."""
LOOK_UP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Members:
    """The servers of a shard, beside the host that leads to its primary."""

    host: str
    """A name with the addresses of all of them."""
    are_asked_at_once: Callable[[], bool] = lambda: False
    """Whether to, without more patience with the host: it did not lead another connection to the primary a moment ago."""


def connect_first(
    conninfo: str,
    deadline: float,
    is_given_up: Callable[[], bool],
    passed_over: Collection[str] = (),
    members: Members | None = None,
) -> PGconn:
    """The first connection that is let in, in libpq's nonblocking mode. `deadline` is of time.monotonic().

    `passed_over` are IP addresses that are not asked. `members` are asked where the host's do
    not let anybody in. Raises the last refusal once every other address has refused,
    NotConnected if there is none, ConnectionTimeout at the deadline.
    """
    with closing(Race(conninfo, passed_over, members)) as race:
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


@dataclass(frozen=True, slots=True, eq=False)
class Handshake:
    """One that is under way, since `begun_at` of time.monotonic()."""

    pgconn: PGconn
    address: str | int | None
    begun_at: float


class Race:
    """Handshakes that are under way at the same time, each with one address."""

    def __init__(self, conninfo: str, passed_over: Collection[str] = (), members: Members | None = None) -> None:
        self._parameters = conninfo_to_dict(conninfo)
        self._members = members
        self._rounds = 0
        self._asks_members = False
        self._passed_over = passed_over
        self._waiting: deque[str] = deque()
        self._running: deque[Handshake] = deque()
        self._selector = DefaultSelector()
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
        must_ask_members = self._should_ask_members() and not self._asks_members
        if self._running and time.monotonic() < self._next_at and not must_ask_members:
            return
        if must_ask_members or not self._waiting:
            if self._refusal is not None and not self._running and self._has_asked_all():
                raise self._refusal
            self._begin_round()
        self._next_at = time.monotonic() + (BUDGET_SECONDS if self._rounds == 1 else LATER_BUDGET_SECONDS)
        for _ in range(len(self._waiting) if self._asks_members else min(1, len(self._waiting))):
            self._begin_handshake(self._waiting.popleft())

    def advance(self, seconds: float) -> PGconn | None:
        """Go on with what is ready within `seconds`; the connection that is open, if there is one."""
        for key, _ in self._selector.select(min(seconds, max(0.0, self._next_at - time.monotonic()))):
            handshake: Handshake = key.data
            self._selector.unregister(key.fileobj)
            if self._poll(handshake):
                self._running.remove(handshake)
                return handshake.pgconn
        return None

    def close(self) -> None:
        self._selector.close()
        while self._running:
            self._running.pop().pgconn.finish()

    def _should_ask_members(self) -> bool:
        if self._members is None:
            return False
        is_refused = self._refusal is not None and self._rounds > 1
        return is_refused or self._rounds > ROUNDS_OF_HOST or self._members.are_asked_at_once()

    def _has_asked_all(self) -> bool:
        return self._members is None or self._asks_members

    def _begin_round(self) -> None:
        """The names are looked up anew: after a failover they may mean other servers."""
        self._rounds += 1
        self._asks_members = self._should_ask_members()
        hosts = [self._parameters["host"], *([self._members.host] if self._members and self._asks_members else [])]
        try:
            addresses = conninfo_attempts({**self._parameters, "host": ",".join(map(str, hosts))})
        except psycopg.OperationalError as error:
            self._refusal = error
            if not self._running:
                raise
            return
        addresses = [each for each in addresses if each.get("hostaddr") not in self._passed_over]
        if not addresses and not self._has_asked_all():
            self._begin_round()
            return
        if not addresses and not self._running:
            raise NotConnected(f"the name has no address but {', '.join(self._passed_over)}")
        busy = self._recently_asked() if self._asks_members else frozenset()
        self._waiting = deque(make_conninfo("", **each) for each in addresses if each.get("hostaddr") not in busy)

    def _recently_asked(self) -> Collection[str | int | None]:
        """Those that may still answer: a member that refused is asked again without another handshake for them."""
        since = time.monotonic() - LATER_BUDGET_SECONDS
        return {each.address for each in self._running if each.begun_at > since}

    def _begin_handshake(self, conninfo: str) -> None:
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        handshake = Handshake(pgconn, conninfo_to_dict(conninfo).get("hostaddr"), time.monotonic())
        to_same = [each for each in self._running if each.address == handshake.address]
        if len(to_same) == MOST_TO_ONE:
            self._end(to_same[0])
        self._running.append(handshake)
        if pgconn.status == pq.ConnStatus.BAD:
            self._refused(handshake)
        else:
            self._selector.register(pgconn.socket, EVENT_WRITE, handshake)

    def _poll(self, handshake: Handshake) -> bool:
        """One step of a handshake; whether it is done."""
        match handshake.pgconn.connect_poll():
            case pq.PollingStatus.OK:
                return True
            case pq.PollingStatus.READING:
                self._selector.register(handshake.pgconn.socket, EVENT_READ, handshake)
            case pq.PollingStatus.WRITING:
                self._selector.register(handshake.pgconn.socket, EVENT_WRITE, handshake)
            case _:
                self._refused(handshake)
        return False

    def _refused(self, handshake: Handshake) -> None:
        """Note why, and let the next address have its turn at once. A member that is asked alone gets a short rest."""
        self._refusal = read_refusal(handshake.pgconn)
        self._running.remove(handshake)
        handshake.pgconn.finish()
        if self._waiting:
            self._next_at = 0.0
        elif self._asks_members:
            self._next_at = min(self._next_at, time.monotonic() + AGAIN_SECONDS)

    def _end(self, handshake: Handshake) -> None:
        self._selector.unregister(handshake.pgconn.socket)
        self._running.remove(handshake)
        handshake.pgconn.finish()
