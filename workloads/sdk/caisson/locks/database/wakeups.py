"""Who is next hears of it by a notification: one connection that listens to this client's own channel."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg

from .server import NOT_REACHED, Connect

CONNECT_SECONDS = 5.0
LOOK_UP_SECONDS = 0.5
"""How soon the thread notices that it shall end."""


@dataclass(slots=True)
class Bell:
    """Rings for one waiter: with its token when it was granted, or without one when it should ask."""

    token: int | None = None
    _rung: threading.Event = field(default_factory=threading.Event)

    def ring(self, token: int | None) -> None:
        if token is not None:
            self.token = token
        self._rung.set()

    def wait(self, seconds: float) -> int | None:
        self._rung.wait(max(0.0, seconds))
        self._rung.clear()
        return self.token


class Wakeups:
    """Starts its thread with the first waiter. A notification that was lost (with the connection) costs a question to the
    server: all bells ring whenever the connection is made anew."""

    def __init__(self, connect: Connect, channel: str, is_closed: threading.Event) -> None:
        self._connect, self._channel, self._is_closed = connect, channel, is_closed
        self._bells: dict[str, Bell] = {}
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_listening = threading.Event()

    @contextlib.contextmanager
    def bell(self, owner: str, patience_seconds: float) -> Iterator[Bell]:
        """A bell for `owner`. Waits a while for the connection: without it, too, waiting goes on, by asking."""
        self._start()
        bell = self._bells[owner] = Bell()
        try:
            self.is_listening.wait(patience_seconds)
            yield bell
        finally:
            del self._bells[owner]

    def ring_all(self) -> None:
        for bell in list(self._bells.values()):
            bell.ring(None)

    def _start(self) -> None:
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="caisson-lock-wakeups", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(*NOT_REACHED):
                self._listen()
            self.is_listening.clear()
            self.ring_all()
            self._is_closed.wait(0.05)

    def _listen(self) -> None:
        with self._connect(time.monotonic() + CONNECT_SECONDS) as connection:
            connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(self._channel)))
            connection.deadline = None
            self.is_listening.set()
            self.ring_all()
            while not self._is_closed.is_set():
                for notice in connection.notifies(timeout=LOOK_UP_SECONDS):
                    self._hear(notice.payload)

    def _hear(self, payload: str) -> None:
        token, _, owner = payload.partition(" ")
        bell = self._bells.get(owner)
        if bell is not None and token.isdecimal():
            bell.ring(int(token))
