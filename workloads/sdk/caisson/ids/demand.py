"""How many ids a segment allocator keeps in hand: enough for its load during an outage of the store. Pure."""

import math
from dataclasses import dataclass

HALF_LIFE_SECONDS = 600.0
MARGIN = 1.2
GROWTH = 8
"""A range is at most so many times as long as the one before, so that one burst does not take a day's ids."""
MOST = 10**12


@dataclass(frozen=True, slots=True)
class Provision:
    """`step` is the least that is fetched; `rated_per_second` the load to be ready for before it has been seen."""

    step: int = 1000
    rated_per_second: float = 0.0
    outage_seconds: float = 600.0

    def target(self, seen_per_second: float) -> int:
        """How many ids have to wait, besides those of the range in use: with them alone the outage is ridden out."""
        load = max(self.rated_per_second, seen_per_second)
        return min(MOST, max(self.step, math.ceil(load * self.outage_seconds * MARGIN)))

    def fetch(self, waiting: int, seen_per_second: float, last_fetched: int) -> int:
        """How many to fetch now; 0: enough are waiting."""
        target = self.target(seen_per_second)
        if waiting >= target:
            return 0
        rated = self.target(0.0)
        return max(self.step, min(target - waiting, max(rated, last_fetched * GROWTH)))


@dataclass(slots=True)
class Load:
    """Ids a second, as seen: up at once, down by half in ten minutes, so that a quiet moment does not shrink the provision."""

    per_second: float = 0.0
    _seen: int = 0
    _at_seconds: float | None = None

    def note(self, handed_out: int, at_seconds: float) -> None:
        """`handed_out` is the total so far, `at_seconds` of a monotonic clock. Looks closer than a second apart are put together."""
        if self._at_seconds is None:
            self._seen, self._at_seconds = handed_out, at_seconds
            return
        elapsed = at_seconds - self._at_seconds
        if elapsed < 1.0:
            return
        faded = self.per_second * 0.5 ** (elapsed / HALF_LIFE_SECONDS)
        self.per_second = max(faded, (handed_out - self._seen) / elapsed)
        self._seen, self._at_seconds = handed_out, at_seconds
