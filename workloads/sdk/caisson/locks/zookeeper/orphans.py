"""Claims that were given up while no server answered: their nodes are removed as soon as one does.

Without this a node that was made after all would be held by nobody and stand for as long as the process lives.
"""

import threading
import time
from collections.abc import Callable

from caisson.errors import StoreUnavailable

from .session import Interrupted, Session


class Orphans:
    """`remove(name, owner, deadline)` is called until it gets through. A thread runs only while there is something to do."""

    def __init__(self, session: Session, remove: Callable[[str, str, float], None]) -> None:
        self._session, self._remove = session, remove
        self._claims: set[tuple[str, str]] = set()
        self._guard, self._is_running = threading.Lock(), False

    def add(self, name: str, owner: str) -> None:
        with self._guard:
            self._claims.add((name, owner))
            must_start, self._is_running = not self._is_running, True
        if must_start:
            threading.Thread(target=self._run, name="caisson-lock-orphans", daemon=True).start()

    def _run(self) -> None:
        try:
            while (claim := self._take()) is not None:
                self._remove_until_answered(*claim)
        except StoreUnavailable:
            return  # closed: the session ends them all

    def _take(self) -> tuple[str, str] | None:
        with self._guard:
            if not self._claims:
                self._is_running = False
                return None
            return self._claims.pop()

    def _remove_until_answered(self, name: str, owner: str) -> None:
        while True:
            self._session.await_connection(float("inf"))
            try:
                self._remove(name, owner, time.monotonic() + self._session.silence_seconds)
                return
            except Interrupted:
                continue
