"""Keeps a worker id: claims one, renews its lease, moves its mark ahead of the clock, and claims another when it is lost.

`step` does one of these and never waits; a thread calls it in production, a simulation calls it itself. The store is asked
without the allocator's lock: ids go on meanwhile.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from caisson.errors import ConfigurationError, Error, NoIds, NoWorkerId
from caisson.ids.clock import MILLISECOND_NS, Clocks, Rollback
from caisson.ids.grants import Grant, LeaseLost, NotReachable, RollbackReport, WorkerStore

RENEWALS_PER_LEASE = 4
"""Three of four may go wrong before ids stop."""
RETRY_SECONDS = (0.05, 1.0)
RENEWALS_PER_COUNT = 8
"""Two leases: how many worker ids are leased is for people, who look seldom."""
log = logging.getLogger("caisson")


@dataclass(frozen=True, slots=True)
class Lease:
    """A grant, and the reading of the monotonic clock (nanoseconds) at which its lease may have ended in the store."""

    grant: Grant
    ends_ns: int


class Keeper:
    """`lease` is what the allocator may use. `reserve_ms` is how far ahead time is reserved, and the length of the lease."""

    def __init__(self, store: WorkerStore, clocks: Clocks, reserve_ms: int) -> None:
        self._store = store
        self._clocks = clocks
        self._reserve_ms = reserve_ms
        self._wanted_ms = 0
        self._renewals = 0
        self._retry_seconds = RETRY_SECONDS[0]
        self._news = threading.Condition()
        self._is_closed = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.lease: Lease | None = None
        self.trouble: Error | None = None
        self.leased: int | None = None
        """How many worker ids of the space had an owner when it was last counted."""
        self.on_loss: Callable[[], None] = lambda: None
        self.find_rollback: Callable[[], Rollback | None] = lambda: None
        """What the allocator has seen of its wall clock's going back."""
        self._reported: Rollback | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="caisson-worker-id", daemon=True)
        self._thread.start()

    def step(self) -> float:
        """Claim or renew once. Returns the seconds until the next step is due."""
        began_ns = self._clocks.monotonic_ns()
        try:
            grant = (
                self._extend(self.lease.grant) if self.lease else self._store.claim(self._now_ms(), self._reserve_ms)
            )
        except LeaseLost as error:
            self._lose(error)
            return 0.0
        except (NotReachable, NoWorkerId, ConfigurationError) as error:
            return self._note(error)
        self._tell(Lease(grant, began_ns + self._reserve_ms * MILLISECOND_NS), None)
        self._retry_seconds = RETRY_SECONDS[0]
        self._count()
        self._report_rollback(grant)
        return self._reserve_ms / 1000 / RENEWALS_PER_LEASE

    def ask_for(self, at_ms: int) -> None:
        """Have the mark moved past this millisecond, soon."""
        self._wanted_ms = max(self._wanted_ms, at_ms)
        self._wake.set()

    def why(self, otherwise: str) -> Error:
        """The error for a caller who gets no id."""
        trouble = self.trouble
        if isinstance(trouble, NoIds):
            return trouble
        return NoIds(f"{otherwise}: {trouble}" if trouble else otherwise)

    def wait_for_news(self, lock: threading.RLock, seconds: float) -> None:
        """Wait until something has changed, at most so long; `lock` is let go meanwhile."""
        lock.release()
        try:
            if self._thread is None:
                self._clocks.sleep(seconds)
                return
            with self._news:
                self._news.wait(seconds)
        finally:
            lock.acquire()

    def close(self) -> None:
        """End the lease. The mark stays where it is: the next owner begins there."""
        self._is_closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        lease = self.lease
        self._tell(None, NoIds("the allocator is closed"))
        self.on_loss()
        if lease is not None:
            self._report_rollback(lease.grant)
            self._release(lease.grant)
        self._store.close()

    def _run(self) -> None:
        """Who waits for time may wake it, but not hurry it while the store refuses."""
        while not self._is_closed.is_set():
            self._wake.clear()
            seconds = self.step()
            (self._is_closed if self.trouble else self._wake).wait(seconds)

    def _extend(self, grant: Grant) -> Grant:
        until_ms = max(self._now_ms(), self._wanted_ms) + self._reserve_ms
        return self._store.extend(grant, until_ms, self._reserve_ms)

    def _now_ms(self) -> int:
        return self._clocks.wall_ns() // MILLISECOND_NS

    def _lose(self, error: LeaseLost) -> None:
        log.warning("worker_id_lost reason=%s", error)
        self._wanted_ms = 0
        self._tell(None, error)
        self.on_loss()

    def _note(self, error: Error) -> float:
        """Say once why there is no renewal, and try again, a little later each time."""
        if self.trouble is None:
            log.warning("worker_id_not_renewed reason=%s", error)
        self._tell(self.lease, error)
        seconds, self._retry_seconds = self._retry_seconds, min(self._retry_seconds * 2, RETRY_SECONDS[1])
        return seconds

    def _count(self) -> None:
        """After a renewal, so that no id waits for it; where it cannot be had, the renewals will tell."""
        if self._renewals % RENEWALS_PER_COUNT == 0:
            with suppress(NotReachable):
                self.leased = self._store.count_leased()
        self._renewals += 1

    def _report_rollback(self, grant: Grant) -> None:
        """Once for each, after a renewal, as with the count. A store that was made without a place for it gets none."""
        seen = self.find_rollback()
        if seen is None or seen == self._reported:
            return
        back_ms, ago_ns = -(-seen.furthest_ns // MILLISECOND_NS), self._clocks.monotonic_ns() - seen.at_ns
        teller = f"{socket.gethostname()}/{os.getpid()}"
        report = RollbackReport(teller, seen.times, back_ms, ago_ns // MILLISECOND_NS)
        log.warning("wall_clock_went_back times=%d furthest_ms=%d worker=%d", seen.times, back_ms, grant.worker)
        with suppress(NotReachable):
            try:
                self._store.report_rollback(grant, report)
            except ConfigurationError as error:
                log.warning("rollback_not_reported reason=%s", error)
            self._reported = seen

    def _release(self, grant: Grant) -> None:
        try:
            self._store.release(grant)
        except NotReachable as error:
            log.warning("worker_id_not_released worker=%s reason=%s", grant.worker, error)

    def _tell(self, lease: Lease | None, trouble: Error | None) -> None:
        with self._news:
            self.lease, self.trouble = lease, trouble
            self._news.notify_all()
