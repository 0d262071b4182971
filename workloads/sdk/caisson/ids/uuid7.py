"""UUIDs of version 7 (RFC 9562, section 5.7), ascending within a process: no store, no worker id, 128 bits.

Fields: 48 bits of Unix milliseconds, version, 12 + 30 bits that count (method 1 of section 6.2: a fixed-length counter, seeded at
random with its highest bit clear in each new millisecond), variant, 32 random bits. Where the clock goes back the counter goes on
in the last millisecond; where it is used up, the next millisecond is begun early.
"""

import os
import threading
from array import array
from collections.abc import Callable
from uuid import UUID

from caisson.ids.clock import MILLISECOND_NS, Clocks

_COUNTER_BITS = 42
_TAILS = 1024
_SEED_MASK = (1 << (_COUNTER_BITS - 1)) - 1
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


class Uuid7:
    """Thread-safe. A forked child begins with a counter of its own."""

    def __init__(self, clocks: Clocks, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._clocks = clocks
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._tails = array("I")
        self._at_ms = 0
        self._counter = 0
        self._last_wall_ms = 0
        self.allocated = 0
        self.rollbacks = 0
        self.worker_ids: tuple[int, int] | None = None

    def next(self) -> UUID:
        with self._lock:
            return self._make()

    def take(self, count: int) -> list[UUID]:
        with self._lock:
            return [self._make() for _ in range(count)]

    def abandon(self) -> None:
        self._lock = threading.Lock()
        self._tails = array("I")
        self._at_ms = 0

    def close(self) -> None:
        """Nothing is open."""

    def _make(self) -> UUID:
        now_ms = self._clocks.wall_ns() // MILLISECOND_NS
        self.rollbacks += now_ms < self._last_wall_ms
        self._last_wall_ms = now_ms
        self._counter += 1
        if now_ms <= self._at_ms and self._counter >> _COUNTER_BITS:
            now_ms = self._at_ms + 1
        if now_ms > self._at_ms:
            self._at_ms = now_ms
            self._counter = int.from_bytes(self._random_bytes(6), "big") & _SEED_MASK
        self.allocated += 1
        high, low = self._counter >> 30, self._counter & (1 << 30) - 1
        return UUID(int=self._at_ms << 80 | _VERSION | high << 64 | _VARIANT | low << 32 | self._draw_tail())

    def _draw_tail(self) -> int:
        """32 random bits; drawn for many at a time, since each draw is a call of the system."""
        if not self._tails:
            self._tails = array("I", self._random_bytes(4 * _TAILS))
        return self._tails.pop()


def milliseconds_of(id: UUID) -> int:
    """Unix time of a UUID of version 7, in milliseconds."""
    return id.int >> 80
