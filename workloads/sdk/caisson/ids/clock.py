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


class SteadyClock:
    """Follows the wall clock; where that goes back by at most `max_rollback_ns`, goes on from its last time, slower.

    Not thread-safe. `rollbacks` counts how often the wall clock was seen to go back.
    """

    def __init__(self, clocks: Clocks, max_rollback_ns: int) -> None:
        self._clocks = clocks
        self._max_rollback_ns = max_rollback_ns
        self._now_ns = 0
        self._wall_ns = 0
        self._monotonic_ns = 0
        self.rollbacks = 0

    def now_ns(self, monotonic_ns: int) -> int:
        """Unix time. `monotonic_ns` is the monotonic clock's reading of this moment. Raises ClockWentBack."""
        wall_ns = self._clocks.wall_ns()
        if wall_ns < self._wall_ns:
            self.rollbacks += 1
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
