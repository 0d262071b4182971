"""Processes that allocate ids, each with clocks that lie, over one store. The checker is a set: no id comes twice.

Bits are few, so that worker ids and sequences are used up and used again within a few steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from caisson.errors import NoIds
from caisson.ids.clock import MILLISECOND_NS, SECOND_NS, Clocks
from caisson.ids.demand import Provision
from caisson.ids.keeper import Keeper
from caisson.ids.layout import Layout
from caisson.ids.segment import Segments
from caisson.ids.snowflake import Snowflake
from fakes.id_stores import FakeCluster, FakeSegments, FakeWorkers

LAYOUT = Layout(41, 2, 3)
RESERVE_MS = 2_000
MAX_ROLLBACK_NS = SECOND_NS
TIMEOUT_SECONDS = 0.02
BEGIN_NS = 1_800_000_000 * SECOND_NS


class DuplicateId(AssertionError):
    """The one thing that must not be."""


@dataclass(slots=True)
class SimClocks:
    """A process's clocks: true time, put off by what the adversary likes. Sleeping lets true time pass."""

    world: "World"
    wall_off_ns: int = 0
    is_suspended: bool = False
    slept_through_ns: int = 0

    def wall_ns(self) -> int:
        return self.world.true_ns + self.wall_off_ns

    def monotonic_ns(self) -> int:
        return self.world.true_ns - self.slept_through_ns

    def sleep(self, seconds: float) -> None:
        self.world.pass_time(max(1_000, round(seconds * SECOND_NS)))

    def as_clocks(self) -> Clocks:
        return Clocks(self.wall_ns, self.monotonic_ns, self.sleep)


@dataclass(slots=True)
class Process:
    clocks: SimClocks
    store: FakeWorkers
    keeper: Keeper
    source: Snowflake


@dataclass(slots=True)
class World:
    """All that there is. `arrange` changes a new process's allocator, for controls."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    arrange: Callable[[Process], None] = lambda process: None
    true_ns: int = BEGIN_NS
    store_off_ns: int = 0
    processes: list[Process] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    moments: list[int] = field(default_factory=list)

    def pass_time(self, nanoseconds: int) -> None:
        self.true_ns += nanoseconds
        for process in self.processes:
            if process.clocks.is_suspended:
                process.clocks.slept_through_ns += nanoseconds
        self.set_store_clock(self.store_off_ns)

    def set_store_clock(self, off_ns: int) -> None:
        self.store_off_ns = off_ns
        self.cluster.now_ms = (self.true_ns + off_ns) // MILLISECOND_NS

    def start(self, wall_off_ns: int = 0) -> Process:
        self.set_store_clock(self.store_off_ns)
        clocks = SimClocks(self, wall_off_ns)
        store = FakeWorkers(self.cluster, LAYOUT.workers)
        keeper = Keeper(store, clocks.as_clocks(), RESERVE_MS)
        source = Snowflake(LAYOUT, keeper, clocks.as_clocks(), MAX_ROLLBACK_NS, TIMEOUT_SECONDS)
        process = Process(clocks, store, keeper, source)
        self.arrange(process)
        self.processes.append(process)
        keeper.step()
        return process

    def take(self, process: Process, count: int) -> int:
        """How many ids it gave. A process that was suspended wakes up in the midst of what it did."""
        process.clocks.is_suspended = False
        try:
            ids = [process.source.next()] if count == 1 else process.source.take(count)
        except NoIds:
            return 0
        self.check(ids)
        return len(ids)

    def off_to_moment(self, which: int) -> int:
        """How far a clock is off that shows one of the last moments for which there are ids."""
        moments = self.moments[-16:] or [self.true_ns]
        return moments[which % len(moments)] - self.true_ns

    def check(self, ids: list[int]) -> None:
        self.moments.append((LAYOUT.epoch_ms + (ids[0] >> 5)) * MILLISECOND_NS)
        for id in ids:
            if id in self.seen:
                raise DuplicateId(f"{id}: {LAYOUT.decode(id)}")
            self.seen.add(id)


@dataclass(slots=True)
class SegmentWorld:
    """The same for segments: the store is what may fail."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    true_ns: int = BEGIN_NS
    stores: list[FakeSegments] = field(default_factory=list)
    sources: list[Segments] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def start(self, step: int) -> Segments:
        store = FakeSegments(self.cluster)
        clocks = Clocks(lambda: self.true_ns, lambda: self.true_ns, self.sleep)
        self.stores.append(store)
        self.sources.append(Segments(store, clocks, Provision(step=step), TIMEOUT_SECONDS))
        return self.sources[-1]

    def sleep(self, seconds: float) -> None:
        self.true_ns += max(1_000_000, round(seconds * SECOND_NS))

    def take(self, source: Segments, count: int) -> int:
        try:
            ids = [source.next()] if count == 1 else source.take(count)
        except NoIds:
            return 0
        for id in ids:
            if id in self.seen:
                raise DuplicateId(str(id))
            self.seen.add(id)
        return len(ids)
