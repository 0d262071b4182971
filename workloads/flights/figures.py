"""What the records say about time: rates, pauses, the gap of a failover. Pure.

**Write pause.** A write is held up by a switch when it was in flight at some moment of the `FENCE_SECONDS` that end
with the moment in which its bucket was seen open at its new owner. Its pause is its whole latency, the SDK's retries
included. p99 and the maximum are over those writes alone, never diluted by writes that met no switch.

**Rate.** The lowest number of acknowledged writes in any window of `RATE_WINDOW_SECONDS`, the failover left out, and
when that window began: a figure that is missed is worth nothing to who must mend it without the place.

**Failover.** From the kill to the end of the longest silence that began within `FAILOVER_SEARCH_SECONDS` after it and before the next kill, a
silence being a time without any acknowledged write to a bucket of that shard: a primary that is killed may still
acknowledge for a moment, and those do not count as its return.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

from flights.records import MapChange, Outcome, Read, Write

FENCE_SECONDS = 0.25
RATE_WINDOW_SECONDS = 5.0
FAILOVER_SEARCH_SECONDS = 30.0
SWITCH_GAP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """Writes that a switch held up."""

    writes: int
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class BetweenSwitches:
    """The least that happened between two groups of switches, to buckets that move."""

    gaps: int
    least_writes: int
    least_reads: int


@dataclass(frozen=True, slots=True)
class Window:
    """A time of `RATE_WINDOW_SECONDS`, and the writes acknowledged a second in it."""

    began_at: float
    ended_at: float
    per_second: float


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


def switches(changes: Iterable[MapChange]) -> dict[int, float]:
    """When each bucket that moved was seen open at its new owner."""
    return {change.bucket: change.at for change in changes if change.owned and change.epoch > 1}


def acknowledged(writes: Iterable[Write]) -> list[Write]:
    return [write for write in writes if write.outcome is Outcome.ACKNOWLEDGED]


def measure_pauses(writes: Iterable[Write], switched: Mapping[int, float]) -> Pauses:
    held_up = [
        write.latency_seconds * 1000
        for write in writes
        if (opened := switched.get(write.operation.bucket)) is not None
        and write.started <= opened
        and write.ended >= opened - FENCE_SECONDS
    ]
    return Pauses(len(held_up), percentile(held_up, 0.99), max(held_up, default=0.0))


def measure_between_switches(
    writes: Iterable[Write], reads: Iterable[Read], switched: Mapping[int, float]
) -> BetweenSwitches:
    """Switches closer together than `SWITCH_GAP_SECONDS` are one group."""
    times = sorted(switched.values())
    gaps = [(before, after) for before, after in pairwise(times) if after - before >= SWITCH_GAP_SECONDS]
    write_ends = sorted(write.ended for write in acknowledged(writes) if write.operation.bucket in switched)
    read_ends = sorted(read.ended for read in reads if read.outcome is Outcome.ACKNOWLEDGED and read.bucket in switched)
    return BetweenSwitches(
        len(gaps),
        min((count_between(write_ends, *gap) for gap in gaps), default=0),
        min((count_between(read_ends, *gap) for gap in gaps), default=0),
    )


def count_between(ordered: Sequence[float], after: float, before: float) -> int:
    return bisect_left(ordered, before) - bisect_right(ordered, after)


def poorest_window(ends: Iterable[float], left_out: Sequence[tuple[float, float]] = ()) -> Window:
    """The first of the windows with the fewest acknowledged writes; those that touch a span left out do not count.

    Windows begin at every quarter of a second, from the first acknowledgement to the last. A history without one has
    a window of nothing at its beginning: it proves no rate.
    """
    ordered = sorted(ends)
    began_at = ordered[0] if ordered else 0.0
    nothing = Window(began_at, began_at + RATE_WINDOW_SECONDS, 0.0)
    windows = [
        Window(start, end, (bisect_left(ordered, end) - bisect_left(ordered, start)) / RATE_WINDOW_SECONDS)
        for start, end in candidates(ordered)
        if not any(start < till and end > since for since, till in left_out)
    ]
    return min(windows, key=lambda window: window.per_second, default=nothing)


def candidates(ordered: Sequence[float]) -> Iterator[tuple[float, float]]:
    """From when till when each window lasts."""
    span = ordered[-1] - ordered[0] - RATE_WINDOW_SECONDS if ordered else -1.0
    for quarter in range(int(span * 4) + 1 if span >= 0 else 0):
        start = ordered[0] + quarter / 4
        yield start, start + RATE_WINDOW_SECONDS


def owned_by(changes: Iterable[MapChange], shard: str, at: float) -> set[int]:
    """The buckets that this shard claimed at that time."""
    buckets: dict[int, bool] = defaultdict(bool)
    for change in changes:
        if change.shard == shard and change.at <= at:
            buckets[change.bucket] = change.owned
    return {bucket for bucket, owned in buckets.items() if owned}


def failover_silence(
    writes: Iterable[Write], buckets: set[int], killed_at: float, next_killed_at: float = inf
) -> tuple[float, float] | None:
    """The longest time without an acknowledged write to the shard; None where its writes never came back.

    What begins after another primary was killed is of that one: writers go from shard to shard, so all of them are silent then.
    """
    ends = sorted(
        write.ended for write in acknowledged(writes) if write.operation.bucket in buckets and write.ended > killed_at
    )
    last = min(killed_at + FAILOVER_SEARCH_SECONDS, next_killed_at)
    silences = [(before, after) for before, after in pairwise([killed_at, *ends]) if before <= last]
    return max(silences, key=lambda silence: silence[1] - silence[0], default=None)
