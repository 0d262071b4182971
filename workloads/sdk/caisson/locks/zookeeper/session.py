"""One session with ZooKeeper after another: requests with a deadline, and until when the present session can be relied on.

What a client may believe of its session. The leader ends a session when it has heard nothing of it for the session's whole
length, but it hears of a follower's clients only with the follower's next beat, half a tick later at most, and a follower
that has lost its leader goes on answering pings. So an answered ping proves nothing. A transaction that was committed
does: the leader still knew the session after the request was sent, by a sign of life that was older than the request
by at most half a tick and the pause between two signs (a third of the session, or less where requests go out). With a
session of four ticks or more it lasts for more than half its length from the moment at which the request was sent.
Therefore a lease is half a session, counted from there, on this process's monotonic clock.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kazoo import exceptions
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import EventType, KazooState, KeeperState, WatchedEvent

from caisson.errors import ConfigurationError, LeaseTooShort, StoreUnavailable

from .client import Client, Sender

SILENCE_SHARE, SHORTEST_SILENCE_SECONDS = 1 / 12, 0.3
"""Of the session: how long a server may leave a request unanswered before another one is tried."""
_LOST = (exceptions.ConnectionLoss, exceptions.SessionExpiredError, KazooTimeoutError)


class Interrupted(Exception):
    """The connection or the session went while a request was under way: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which ensemble (`host:port,host:port`), as whom where it asks, and by whose authority where it speaks TLS (a file)."""

    hosts: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: Path | None = None


@dataclass(slots=True, eq=False)
class Bell:
    """What a thread waits for: one of some nodes goes, or the session is not what it was."""

    paths: frozenset[str]
    gone: set[str] = field(default_factory=set)
    _rung: threading.Event = field(default_factory=threading.Event)

    def ring(self, path: str | None = None) -> None:
        if path is not None:
            self.gone.add(path)
        self._rung.set()

    def wait(self, seconds: float) -> bool:
        return self._rung.wait(max(0.0, seconds))


class Session:
    """Thread-safe. `id` is the present session's, None before there is one and after it has expired."""

    def __init__(self, target: Target, session_seconds: float, start_seconds: float) -> None:
        self._client = Client(target.hosts, session_seconds, _read_sasl(target), target.authority)
        self._client.add_listener(self._on_state)
        self.id: int | None = None
        self._is_connected, self._is_closed, self._is_refused = threading.Event(), False, False
        self._confirmed_at = float("-inf")
        self._bells: set[Bell] = set()
        self._guard = threading.Lock()
        self._start(session_seconds, start_seconds)

    @property
    def seconds(self) -> float:
        """How long the present session outlives its client."""
        return self._client.session_seconds

    @property
    def silence_seconds(self) -> float:
        return max(self.seconds * SILENCE_SHARE, SHORTEST_SILENCE_SECONDS)

    def ask(self, send: Sender, deadline: float) -> Any:
        """The answer to a read. Raises Interrupted, or what the servers answered (NoNodeError...)."""
        return self._await(send(self._client), deadline)

    def write(self, send: Sender, deadline: float) -> Any:
        """The answer to a write, which confirms the session it was sent in."""
        asked_by, sent_at = self.id, time.monotonic()
        answer = self.ask(send, deadline)
        self._confirm(asked_by, sent_at)
        return answer

    def ask_all(self, sends: Sequence[Sender], deadline: float) -> list[Any]:
        """Answers to requests that go out together, in their order; an error that the servers answered is one of them."""
        under_way = [send(self._client) for send in sends]
        return [self._await_or_error(each, deadline) for each in under_way]

    def ask_later(self, send: Sender) -> None:
        """Nobody waits for the answer, and nothing hangs on it."""
        send(self._client)

    def write_all(self, sends: Sequence[Sender], deadline: float) -> list[Any]:
        """The same for requests of which the first is a write."""
        asked_by, sent_at = self.id, time.monotonic()
        answers = self.ask_all(sends, deadline)
        if not isinstance(answers[0], Exception):
            self._confirm(asked_by, sent_at)
        return answers

    def confirmed_at(self, session_id: int) -> float:
        """The latest moment (time.monotonic(), seconds) of which is known that the session lived. Raises Interrupted if it is over."""
        with self._guard:
            if session_id != self.id:
                raise Interrupted("the session has expired")
            return self._confirmed_at

    def await_connection(self, deadline: float) -> None:
        """Raises StoreUnavailable at the deadline."""
        while not self._is_connected.wait(max(0.0, min(deadline - time.monotonic(), 1.0))):
            self._must_be_open()
            if time.monotonic() >= deadline:
                raise StoreUnavailable("no server of the ZooKeeper ensemble has let this client in")
        self._must_be_open()

    @contextlib.contextmanager
    def watching(self, paths: Sequence[str]) -> Iterator[Bell]:
        """A bell that rings when one of the nodes goes: of those that `watch` was asked for."""
        bell = Bell(frozenset(paths))
        with self._guard:
            self._bells.add(bell)
        try:
            yield bell
        finally:
            with self._guard:
                self._bells.discard(bell)

    def watch(self, path: str) -> Sender:
        """A request for a node's state that leaves a watch. kazoo keeps one of them, however often this one is left."""
        return lambda client: client.exists_async(path, watch=self._on_node)

    def read_watched(self, path: str, on_change: Callable[[], None]) -> Sender:
        """A request for a node's data; `on_change` is called, once, when they or the connection have changed since."""
        return lambda client: client.get_async(path, watch=lambda _: on_change())

    def close(self, ends_session: bool) -> None:
        """What the session holds is let go of at once if it is ended, and otherwise when the servers let it expire."""
        self._is_closed = True
        self._is_connected.set()
        self._ring_all()
        if ends_session:
            self._client.stop()
        else:
            self._client.abandon()
        self._client.close()

    def _start(self, wanted_seconds: float, start_seconds: float) -> None:
        try:
            deadline = time.monotonic() + start_seconds
            self._client.start(timeout=start_seconds)
            self._ask_first(deadline)
        except (KazooTimeoutError, Interrupted, StoreUnavailable) as error:
            self._give_up()
            if self._is_refused:
                raise ConfigurationError("the ZooKeeper ensemble does not accept the username and password") from error
            told = f"no server of the ZooKeeper ensemble answered within {start_seconds} s"
            raise StoreUnavailable(f"{told}; {self._client.distrust}".removesuffix("; ")) from error
        if self.seconds > wanted_seconds * 1.01:
            told = (
                f"the ensemble grants no session shorter than {self.seconds:g} s, so no lease of {wanted_seconds:g} s"
            )
            self._give_up()
            raise LeaseTooShort(told)

    def _ask_first(self, deadline: float) -> None:
        """kazoo calls itself connected before the servers have accepted the password."""
        while True:
            try:
                self.ask(lambda client: client.exists_async("/"), deadline)
                return
            except Interrupted:
                if time.monotonic() >= deadline:
                    raise

    def _give_up(self) -> None:
        self._is_closed = True
        self._client.stop()
        self._client.close()

    def _await_or_error(self, under_way: Any, deadline: float) -> Any:
        try:
            return self._await(under_way, deadline)
        except exceptions.KazooException as error:
            return error

    def _await(self, under_way: Any, deadline: float) -> Any:
        """One that a server leaves unanswered is asked for again from another one, by whoever catches Interrupted."""
        self._must_be_open()
        silence = self.silence_seconds
        patience = min(silence, deadline - time.monotonic())
        try:
            return under_way.get(timeout=max(0.0, patience))
        except _LOST as error:
            self._must_be_open()
            if isinstance(error, KazooTimeoutError) and patience == silence:  # not only the caller's patience was short
                self._client.drop()
            raise Interrupted(str(error) or type(error).__name__) from error
        except (exceptions.ConnectionClosedError, exceptions.AuthFailedError) as error:
            raise StoreUnavailable("this client of the locks is closed, or was refused") from error

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("this client of the locks has been closed")

    def _confirm(self, session_id: int | None, sent_at: float) -> None:
        with self._guard:
            if session_id is not None and session_id == self.id:
                self._confirmed_at = max(self._confirmed_at, sent_at)

    def _on_state(self, state: str) -> None:
        """Called by kazoo, on its own thread, before anything is sent in a new session."""
        with self._guard:
            if state == KazooState.CONNECTED:
                self._begin(self._client.client_id[0])
            elif state == KazooState.LOST:
                self.id, self._is_refused = None, self._client.client_state == KeeperState.AUTH_FAILED
        if state == KazooState.CONNECTED or self._is_closed:
            self._is_connected.set()
        else:
            self._is_connected.clear()
        self._ring_all()

    def _begin(self, session_id: int) -> None:
        if session_id != self.id:
            self.id, self._confirmed_at = session_id, float("-inf")

    def _on_node(self, event: WatchedEvent) -> None:
        with self._guard:
            bells = [bell for bell in self._bells if event.path is None or event.path in bell.paths]
        for bell in bells:
            bell.ring(event.path if event.type == EventType.DELETED else None)

    def _ring_all(self) -> None:
        with self._guard:
            bells = list(self._bells)
        for bell in bells:
            bell.ring()


def _read_sasl(target: Target) -> tuple[str, str] | None:
    return (target.username, target.password or "") if target.username else None
