"""Ids from ranges that PostgreSQL gives out: small, ascending within a process, and there while the store is away.

Why no id comes twice: a range is `next_id` of the space's row before and after one committed addition, so no two overlap; within
a process each range has one iterator (caisson.ids.fast_path). An answer that is not known to be committed, and on the standby, is
thrown away with its range.

Two buffers: the range in use, and those that wait. A thread fetches as soon as what waits would not last through an outage at the
load that is seen or promised (caisson.ids.demand).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from caisson.errors import ConfigurationError, Error, NoIds
from caisson.ids.clock import SECOND_NS, Clocks
from caisson.ids.demand import Load, Provision
from caisson.ids.fast_path import make_fast_path
from caisson.ids.grants import NotReachable

FOREVER_NS = 1 << 63
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.2
log = logging.getLogger("caisson")


class SegmentStore(Protocol):
    """Gives out ranges of one space. One thread calls it. Raises NotReachable, IdsExhausted, ConfigurationError."""

    def fetch(self, count: int) -> range:
        """So many ids that nobody else has got or will get."""
        ...

    def close(self) -> None: ...


class Segments:
    """Thread-safe. `timeout` is how long a call waits when nothing is in hand."""

    def __init__(self, store: SegmentStore, clocks: Clocks, provision: Provision, timeout: float) -> None:
        self._store = store
        self._clocks = clocks
        self._provision = provision
        self._timeout_ns = round(timeout * SECOND_NS)
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._fast = make_fast_path(clocks.monotonic_ns, self._refill, self._lock)
        self._waiting: deque[range] = deque()
        self._load = Load()
        self._last_fetched = 0
        self._fetched = 0
        self._trouble: Error | None = None
        self._is_closed = threading.Event()
        self._is_forked = False
        self._thread: threading.Thread | None = None
        self.rollbacks = 0
        self.worker_ids: tuple[int, int] | None = None
        self.next: Callable[[], int] = self._fast.next
        """The next id. Raises NoIds (IdsExhausted) at the deadline."""

    @property
    def allocated(self) -> int:
        """How many ids have been handed out."""
        with self._lock:
            return self._fetched - sum(map(len, self._waiting)) - self._fast.left()

    @property
    def in_hand(self) -> int:
        """How many ids could be handed out without the store."""
        with self._lock:
            return sum(map(len, self._waiting)) + self._fast.left()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="caisson-segments", daemon=True)
        self._thread.start()

    def take(self, count: int) -> list[int]:
        """So many ids, ascending. Raises as `next` does, and then hands out none."""
        self._must_not_be_forked()
        with self._lock:
            ids = self._fast.take(count)
            while len(ids) < count:
                self._begin_range()
                ids += self._fast.take(count - len(ids))
            return ids

    def step(self) -> float:
        """Fetch a range if one is due. Returns the seconds until the next look."""
        self._load.note(self.allocated, self._clocks.monotonic_ns() / SECOND_NS)
        with self._lock:
            waiting = sum(map(len, self._waiting))
        count = self._provision.fetch(waiting, self._load.per_second, self._last_fetched)
        if not count:
            return LOOK_SECONDS
        try:
            self._put(self._store.fetch(count))
        except (NotReachable, NoIds, ConfigurationError) as error:
            self._note(error)
            return RETRY_SECONDS
        self._last_fetched = count
        return 0.0

    def abandon(self) -> None:
        """In a forked child: the ranges and the connection are the parent's. Takes no lock: its holder is not here."""
        self._is_forked = True
        self._fast.install(range(0), 0)

    def close(self) -> None:
        if self._is_forked:
            return
        self._is_closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._fetched -= self._fast.left() + sum(map(len, self._waiting))
            self._waiting.clear()
            self._fast.install(range(0), 0)
            self._trouble = NoIds("the allocator is closed")
        self._store.close()

    def _refill(self) -> int:
        self._must_not_be_forked()
        with self._lock:
            while not (ids := self._fast.take(1)):
                self._begin_range()
            return ids[0]

    def _begin_range(self) -> None:
        """Go on with the next range that waits, or wait for one. Raises NoIds at the deadline."""
        deadline_ns = self._clocks.monotonic_ns() + self._timeout_ns
        while not self._waiting:
            self._wake.set()
            left_ns = deadline_ns - self._clocks.monotonic_ns()
            if left_ns <= 0 or self._is_closed.is_set():
                raise self._why()
            if self._thread is None:
                self._clocks.sleep(self.step())
            else:
                self._news.wait(left_ns / SECOND_NS)
        if not self._fast.left():
            self._fast.install(self._waiting.popleft(), FOREVER_NS)
            self._wake.set()

    def _why(self) -> NoIds:
        if isinstance(self._trouble, NoIds):
            return self._trouble
        return NoIds(
            f"no range of ids is in hand, and the store gives none: {self._trouble or 'it has not answered yet'}"
        )

    def _put(self, ids: range) -> None:
        with self._news:
            self._waiting.append(ids)
            self._fetched += len(ids)
            self._trouble = None
            self._news.notify_all()

    def _note(self, error: Error) -> None:
        if self._trouble is None:
            log.warning("segment_not_fetched reason=%s", error)
        self._trouble = error

    def _run(self) -> None:
        """Who waits for ids may wake it, but not hurry it while the store refuses."""
        while not self._is_closed.is_set():
            self._wake.clear()
            seconds = self.step()
            (self._is_closed if self._trouble else self._wake).wait(seconds)

    def _must_not_be_forked(self) -> None:
        if self._is_forked:
            raise ConfigurationError(
                "this allocator was opened before a fork and is the parent's: connect anew in the child"
            )
