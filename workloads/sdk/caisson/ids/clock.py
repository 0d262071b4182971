"""The time that ids are stamped with: the wall clock, except that it never goes back."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from caisson.errors import ClockWentBack

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
CATCHING_UP = 2
"""Behind its own past, time goes on at one part in so many of its pace, until the wall clock has caught up."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """A wall clock (Unix time), a monotonic one, both in nanoseconds, and how to wait. Tests pass others."""

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Rollback:
    """That the wall clock was seen to go back: how often so far, how far at most, and the monotonic clock's reading at the last of them."""

    times: int
    furthest_ns: int
    at_ns: int


class SteadyClock:
    """Follows the wall clock; where that goes back by at most `max_rollback_ns`, goes on from its last time, slower.

    Not thread-safe; `rollback`, what was seen of the wall clock's going back, may be read by any thread.
    """

    def __init__(self, clocks: Clocks, max_rollback_ns: int) -> None:
        self._clocks = clocks
        self._max_rollback_ns = max_rollback_ns
        self._now_ns = 0
        self._wall_ns = 0
        self._monotonic_ns = 0
        self.rollback: Rollback | None = None

    @property
    def rollbacks(self) -> int:
        return self.rollback.times if self.rollback else 0

    def now_ns(self, monotonic_ns: int) -> int:
        """Unix time. `monotonic_ns` is the monotonic clock's reading of this moment. Raises ClockWentBack."""
        wall_ns = self._clocks.wall_ns()
        if wall_ns < self._wall_ns:
            self._note_rollback(self._wall_ns - wall_ns, monotonic_ns)
        elapsed_ns, self._wall_ns, self._monotonic_ns = monotonic_ns - self._monotonic_ns, wall_ns, monotonic_ns
        behind_ns = self._now_ns - wall_ns
        if behind_ns <= 0:
            self._now_ns = wall_ns
        elif behind_ns > self._max_rollback_ns:
            raise ClockWentBack(
                f"the wall clock is {behind_ns / SECOND_NS:.3f} s behind the last id, more than {self._max_rollback_ns / SECOND_NS:g} s "
                "(maxRollback): set the clock right, wait for it to catch up, or start this process anew for another worker id"
            )
        else:
            self._now_ns += min(elapsed_ns // CATCHING_UP, self._max_rollback_ns - behind_ns)
        return self._now_ns

    def _note_rollback(self, back_ns: int, monotonic_ns: int) -> None:
        furthest_ns = max(back_ns, self.rollback.furthest_ns) if self.rollback else back_ns
        self.rollback = Rollback(self.rollbacks + 1, furthest_ns, monotonic_ns)
