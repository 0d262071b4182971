"""Snowflake ids: unique without asking anybody, since the time they are stamped with belongs to one owner.

Why no id comes twice. An id is (millisecond, worker id, sequence).
1. *Between owners.* The store keeps a mark for every worker id, `reserved_until`. An owner may use the milliseconds from the mark
   that it found when it claimed the worker id up to the mark that it has since made durable (a Grant). Only the present owner
   moves the mark, only forward, by compare-and-set on its own name. So the milliseconds of two owners of one worker id never
   overlap, whatever any clock says, and whether or not the earlier owner knows that it has been replaced.
2. *Within an owner.* Batches are made under one lock, each of a millisecond that is greater than all before it, from an
   iterator that gives each number once (caisson.ids.fast_path). A forked child has none of it (`abandon`).
No clock is part of this. What clocks decide is when an id is *refused*:
- the monotonic clock: when the lease may have ended at the latest (counted from before the renewal was sent), and a batch's age;
- the owner's wall clock: which millisecond comes next; never one before the last (SteadyClock);
- the store's clock: when a lease has ended, and, with the claimer's own, that the mark is in the past, so that a new
  owner has no need to run ahead of its clock. A restart with the clock set back finds the mark in its future, and takes another.
What it rests on: the store does not forget a commit that it acknowledged, and nobody copies a running process (a snapshot of a
virtual machine with its memory).

What bounds a batch's age: it is of one millisecond and expires one millisecond after it was made, or with the lease if that is sooner.
"""

import threading
from collections.abc import Callable

from caisson.errors import ConfigurationError, Error, IdsExhausted, NoIds
from caisson.ids.clock import MILLISECOND_NS, SECOND_NS, Clocks, SteadyClock
from caisson.ids.fast_path import make_fast_path
from caisson.ids.grants import Grant
from caisson.ids.keeper import Keeper, Lease
from caisson.ids.layout import Layout

BATCH_NS = MILLISECOND_NS
CATCH_UP_MS = 20
"""Where callers want more than the layout has, milliseconds that were slept through may be used so long afterwards."""
RETRY_SECONDS = 0.01


class Snowflake:
    """Hands out ids under the grants of a keeper. Thread-safe. `timeout` is how long a call waits where none may be had."""

    def __init__(self, layout: Layout, keeper: Keeper, clocks: Clocks, max_rollback_ns: int, timeout: float) -> None:
        self._layout = layout
        self._keeper = keeper
        self._clocks = clocks
        self._steady = SteadyClock(clocks, max_rollback_ns)
        self._timeout_ns = round(timeout * SECOND_NS)
        self._lock = threading.RLock()
        self._fast = make_fast_path(clocks.monotonic_ns, self._refill, self._lock)
        self._owner = ""
        self._at_ms = 0
        self._installed = 0
        self._is_forked = False
        self.next: Callable[[], int] = self._fast.next
        """The next id. Raises NoIds (ClockWentBack, NoWorkerId, IdsExhausted) at the deadline."""
        keeper.on_loss = self.stop
        keeper.find_rollback = lambda: self._steady.rollback

    @property
    def allocated(self) -> int:
        """How many ids have been handed out."""
        return self._installed - self._fast.left()

    @property
    def rollbacks(self) -> int:
        return self._steady.rollbacks

    @property
    def worker_ids(self) -> tuple[int, int] | None:
        leased = self._keeper.leased
        return None if leased is None else (leased, self._layout.workers)

    def take(self, count: int) -> list[int]:
        """So many ids, ascending. Raises as `next` does, and then hands out none."""
        self._must_not_be_forked()
        with self._lock:
            deadline_ns = self._clocks.monotonic_ns() + self._timeout_ns
            ids = self._fast.take(count)
            while len(ids) < count:
                is_progress = self._make_batch(deadline_ns)
                ids += self._fast.take(count - len(ids))
                if is_progress:
                    deadline_ns = self._clocks.monotonic_ns() + self._timeout_ns
            return ids

    def stop(self) -> None:
        """No id any more of what was granted so far."""
        with self._lock:
            self._drop()

    def abandon(self) -> None:
        """In a forked child: the batch, the lease and the connection are the parent's. Takes no lock: its holder is not here."""
        self._is_forked = True
        self._fast.install(range(0), 0)

    def close(self) -> None:
        if not self._is_forked:
            self._keeper.close()

    def _refill(self) -> int:
        self._must_not_be_forked()
        with self._lock:
            deadline_ns = self._clocks.monotonic_ns() + self._timeout_ns
            while not (ids := self._fast.take(1)):
                self._make_batch(deadline_ns)
            return ids[0]

    def _make_batch(self, deadline_ns: int) -> bool:
        """Make a batch, or wait a little for what is missing; whether there is one now. Raises at the deadline."""
        monotonic_ns = self._clocks.monotonic_ns()
        try:
            lease = self._present_lease(monotonic_ns)
            now_ns = self._steady.now_ns(monotonic_ns)
            at_ms = self._next_ms(now_ns // MILLISECOND_NS)
            self._must_be_of_layout(at_ms)
        except IdsExhausted:
            raise
        except Error as error:
            self._wait_for_news(error, deadline_ns)
            return False
        early_ns = at_ms * MILLISECOND_NS - now_ns
        if early_ns > 0:
            self._clocks.sleep(early_ns / SECOND_NS)
        elif at_ms >= lease.grant.until_ms:
            self._keeper.ask_for(at_ms)
            self._wait_for_news(self._keeper.why("more time is not reserved yet"), deadline_ns)
        else:
            self._begin_batch(lease.grant, at_ms, min(monotonic_ns + BATCH_NS, lease.ends_ns))
            return True
        return False

    def _present_lease(self, monotonic_ns: int) -> Lease:
        lease = self._keeper.lease
        if lease is None or monotonic_ns >= lease.ends_ns:
            self._drop()
            raise self._keeper.why("no worker id is leased to this process")
        if lease.grant.owner != self._owner:
            self._drop()
            self._owner, self._at_ms = lease.grant.owner, max(self._at_ms, lease.grant.from_ms - 1)
        return lease

    def _next_ms(self, now_ms: int) -> int:
        """The millisecond of the next batch; that of the present one where it has ids left and time has not moved on."""
        if self._fast.left():
            return max(now_ms, self._at_ms)
        return max(self._at_ms + 1, now_ms - CATCH_UP_MS if self._is_pressed(now_ms) else now_ms)

    def _is_pressed(self, now_ms: int) -> bool:
        """Whether the millisecond before was used up a moment ago. Who asks now and then gets the time as it is."""
        return now_ms - self._at_ms <= CATCH_UP_MS

    def _begin_batch(self, grant: Grant, at_ms: int, until_ns: int) -> None:
        if at_ms == self._at_ms:  # even if somebody has taken the last number meanwhile: its numbers are out
            self._fast.keep(until_ns)
            return
        first = self._layout.first_id(at_ms, grant.worker)
        self._at_ms = at_ms
        self._installed += self._layout.ids_per_millisecond - self._fast.left()
        self._fast.install(range(first, first + self._layout.ids_per_millisecond), until_ns)

    def _drop(self) -> None:
        self._installed -= self._fast.left()
        self._fast.install(range(0), 0)

    def _must_be_of_layout(self, at_ms: int) -> None:
        if at_ms >= self._layout.end_ms:
            raise IdsExhausted(
                f"the clock has passed the last millisecond of layout {self._layout}: another space is needed"
            )
        if at_ms < self._layout.epoch_ms:
            raise NoIds(f"the wall clock is before the epoch of layout {self._layout}")

    def _must_not_be_forked(self) -> None:
        if self._is_forked:
            raise ConfigurationError(
                "this allocator was opened before a fork and is the parent's: connect anew in the child"
            )

    def _wait_for_news(self, error: Error, deadline_ns: int) -> None:
        if self._clocks.monotonic_ns() >= deadline_ns:
            raise error
        self._keeper.wait_for_news(self._lock, RETRY_SECONDS)
