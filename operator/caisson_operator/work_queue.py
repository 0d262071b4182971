"""A queue of names: one object's reconciles one after the other, many wishes melted into one, failures with backoff.

Nothing is kept but names and times, so losing it loses nothing: the next resync puts every name in again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from caisson_operator.telemetry.logs import log_event, redact

Key = TypeVar("Key", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# An event may call a failing object earlier than its backoff would, but no more often than this.
EAGER_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


def backoff_seconds(failures: int) -> float:
    doublings = min(failures - 1, 16)  # beyond the cap anyway, and hours of failures must not overflow
    return float(min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**doublings))


class WorkQueue(Generic[Key]):
    """`handle(key)` answers in how many seconds it wants to be called again (None: when something happens)."""

    def __init__(self, handle: Callable[[Key], Awaitable[float | None]], worker_limit: int = 4) -> None:
        self._handle, self._worker_limit = handle, worker_limit
        self._due: dict[Key, float] = {}
        self._running: dict[Key, asyncio.Task[float | None]] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: Key) -> None:
        """Something happened to it: look at it as soon as a worker is free."""
        self._schedule(key, EAGER_RETRY_SECONDS if key in self._failures else 0.0)

    async def run(self) -> None:
        """Works until cancelled; then waits for nothing and leaves what runs cancelled too."""
        try:
            while True:
                self._changed.clear()
                self._start_due()
                await self._wait_for_change()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _schedule(self, key: Key, delay_seconds: float) -> None:
        due = asyncio.get_running_loop().time() + delay_seconds
        self._due[key] = min(due, self._due.get(key, due))
        self._changed.set()

    def _start_due(self) -> None:
        now = asyncio.get_running_loop().time()
        ready = [key for key, due in self._due.items() if due <= now and key not in self._running]
        for key in sorted(ready, key=self._due.__getitem__)[: self._worker_limit - len(self._running)]:
            del self._due[key]
            self._start(key)

    def _start(self, key: Key) -> None:
        task: asyncio.Task[float | None] = asyncio.ensure_future(self._handle(key))
        self._running[key] = task
        task.add_done_callback(lambda done: self._finish(key, done))

    def _finish(self, key: Key, task: "asyncio.Task[float | None]") -> None:
        del self._running[key]
        self._changed.set()
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._retry(key, error)
            return
        self._failures.pop(key, None)
        again_after = task.result()
        if again_after is not None:
            self._schedule(key, again_after)

    def _retry(self, key: Key, error: BaseException) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = backoff_seconds(failures)
        told = redact(f"{type(error).__name__}: {error}")[:500]
        log_event(
            _log, logging.WARNING, "reconcile_retried", key=str(key), failures=failures, delay_seconds=delay, error=told
        )
        self._schedule(key, delay)

    async def _wait_for_change(self) -> None:
        waiting = [due for key, due in self._due.items() if key not in self._running]
        if not waiting or len(self._running) >= self._worker_limit:
            await self._changed.wait()
            return
        seconds = max(0.0, min(waiting) - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
