"""Numbers that all processes of the traffic share: what was asked for, what was acknowledged, how it goes.

Each slot has one writer thread, and a 64-bit slot is written in one go, so that no lock is needed. A reader that sums
the acknowledged slots before it reads has a floor that its read must reach; the asked-for slots, after, a ceiling.
"""

from bisect import bisect_left
from ctypes import c_longlong
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.sharedctypes import RawArray
from typing import Any

from flights.operations import Family

LATENCY_BOUNDS_MS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class Tally(IntEnum):
    """What is counted for each thread."""

    WRITES = 0
    WRITES_FAILED = 1
    WRITES_UNKNOWN = 2
    READS = 3
    READS_FAILED = 4
    READS_STALE = 5


@dataclass(frozen=True, slots=True)
class Ledger:
    """Made before the processes are forked, and inherited by them."""

    writers: int
    counters: int
    asked: Any
    acknowledged: Any
    last_insert: Any
    tallies: Any
    latencies: Any

    @classmethod
    def create(cls, writers: int, readers: int, counters: int) -> "Ledger":
        cells = writers * counters * len(Family)
        return cls(
            writers=writers,
            counters=counters,
            asked=RawArray(c_longlong, cells),
            acknowledged=RawArray(c_longlong, cells),
            last_insert=RawArray(c_longlong, writers),
            tallies=RawArray(c_longlong, (writers + readers) * len(Tally)),
            latencies=RawArray(c_longlong, writers * (len(LATENCY_BOUNDS_MS) + 1)),
        )

    def _cell(self, family: Family, counter: int, writer: int) -> int:
        return (family * self.counters + counter) * self.writers + writer

    def ask(self, family: Family, counter: int, writer: int) -> None:
        self.asked[self._cell(family, counter, writer)] += 1

    def acknowledge(self, family: Family, counter: int, writer: int) -> None:
        self.acknowledged[self._cell(family, counter, writer)] += 1

    def floor(self, family: Family, counter: int) -> int:
        start = self._cell(family, counter, 0)
        return sum(self.acknowledged[start : start + self.writers])

    def ceiling(self, family: Family, counter: int) -> int:
        start = self._cell(family, counter, 0)
        return sum(self.asked[start : start + self.writers])

    def count(self, thread: int, tally: Tally) -> None:
        """Readers' threads come after the writers'."""
        self.tallies[thread * len(Tally) + tally] += 1

    def total(self, tally: Tally) -> int:
        return sum(self.tallies[tally :: len(Tally)])

    def observe_latency(self, writer: int, seconds: float) -> None:
        width = len(LATENCY_BOUNDS_MS) + 1
        self.latencies[writer * width + bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)] += 1

    def latency_histogram(self) -> dict[str, int]:
        width = len(LATENCY_BOUNDS_MS) + 1
        names = [*(f"{bound}ms" for bound in LATENCY_BOUNDS_MS), "more"]
        return {name: sum(self.latencies[at::width]) for at, name in enumerate(names)}
