"""The rules by which Hypothesis tries to make an id come twice."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from caisson.ids.clock import MILLISECOND_NS, SECOND_NS

from .world import RESERVE_MS, Process, SegmentWorld, World

HOUR_NS = 3600 * SECOND_NS
JUMPS = st.sampled_from([1, 5, 300, 999, 1_000, 1_001, 2_500, 60_000, 3_600_000]).flatmap(
    lambda ms: st.sampled_from([ms * MILLISECOND_NS, -ms * MILLISECOND_NS])
)
WHICH = st.integers(0, 7)


class WorkerMachine(RuleBasedStateMachine):
    """Worker ids: leases, marks and clocks. Afterwards all troubles end, and a new process must get ids."""

    def make_world(self) -> World:
        return World()

    @initialize()
    def begin(self) -> None:
        self.world = self.make_world()
        self.world.start()

    def process(self, which: int) -> Process:
        return self.world.processes[which % len(self.world.processes)]

    @rule(off=st.one_of(st.just(0), JUMPS))
    def start(self, off: int) -> None:
        if len(self.world.processes) < 8:
            self.world.start(off)

    @rule(which=WHICH, count=st.sampled_from([1, 1, 3, 8, 17]))
    def take(self, which: int, count: int) -> None:
        self.world.take(self.process(which), count)

    @rule(which=WHICH)
    def renew(self, which: int) -> None:
        self.process(which).keeper.step()

    @rule(milliseconds=st.sampled_from([1, 2, 20, 400, 1_999, 2_000, 2_001, 5_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.world.pass_time(milliseconds * MILLISECOND_NS)

    @rule(which=WHICH, by=JUMPS)
    def jump(self, which: int, by: int) -> None:
        self.process(which).clocks.wall_off_ns += by

    @rule(which=WHICH)
    def set_clock_right(self, which: int) -> None:
        self.process(which).clocks.wall_off_ns = 0

    @rule(off=st.one_of(st.just(0), JUMPS))
    def jump_store(self, off: int) -> None:
        self.world.set_store_clock(off)

    @rule(which=WHICH, is_cut_off=st.booleans(), loses_answers=st.booleans())
    def trouble(self, which: int, is_cut_off: bool, loses_answers: bool) -> None:
        self.process(which).store.is_cut_off = is_cut_off
        self.process(which).store.loses_answers = loses_answers

    @rule(which=WHICH)
    def suspend(self, which: int) -> None:
        """Stopped together with its monotonic clock, until it is next asked for ids."""
        self.process(which).clocks.is_suspended = True

    @precondition(lambda self: len(self.world.processes) > 1)
    @rule(which=WHICH, is_orderly=st.booleans())
    def end(self, which: int, is_orderly: bool) -> None:
        process = self.process(which)
        if is_orderly:
            process.source.close()
        self.world.processes.remove(process)

    @rule(which=WHICH)
    def oversleep(self, which: int) -> None:
        """Until the lease and the mark are over, and somebody else is there; then renew as if nothing had been."""
        self.world.pass_time((RESERVE_MS + 1) * MILLISECOND_NS)
        if len(self.world.processes) < 8:
            self.world.start()
        self.process(which).keeper.step()

    @rule(which=WHICH, moment=st.integers(0, 15))
    def restart_at_a_moment_that_was(self, which: int, moment: int) -> None:
        """The clock of the new process shows a time for which there are ids already."""
        self.world.processes.remove(self.process(which))
        self.world.start(self.world.off_to_moment(moment))

    @rule(which=WHICH, moment=st.integers(0, 15))
    def jump_to_a_moment_that_was(self, which: int, moment: int) -> None:
        self.process(which).clocks.wall_off_ns = self.world.off_to_moment(moment)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.processes.clear()
        self.world.store_off_ns = 0
        self.world.pass_time(48 * HOUR_NS)
        assert self.world.take(self.world.start(), 100) == 100, "nobody can have ids, though all troubles are over"


class SegmentMachine(RuleBasedStateMachine):
    """Segments: fetches that fail, that are done without an answer, processes that die with ranges in hand."""

    def make_world(self) -> SegmentWorld:
        return SegmentWorld()

    @initialize()
    def begin(self) -> None:
        self.world = self.make_world()
        self.world.start(10)

    @rule(step=st.integers(1, 30))
    def start(self, step: int) -> None:
        if len(self.world.sources) < 6:
            self.world.start(step)

    @rule(which=WHICH, count=st.sampled_from([1, 1, 7, 30, 100]))
    def take(self, which: int, count: int) -> None:
        self.world.take(self.world.sources[which % len(self.world.sources)], count)

    @rule(which=WHICH)
    def fetch(self, which: int) -> None:
        self.world.sources[which % len(self.world.sources)].step()

    @rule(seconds=st.sampled_from([0.01, 1.0, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.sleep(seconds)

    @rule(which=WHICH, is_cut_off=st.booleans(), loses_answers=st.booleans())
    def trouble(self, which: int, is_cut_off: bool, loses_answers: bool) -> None:
        store = self.world.stores[which % len(self.world.stores)]
        store.is_cut_off, store.loses_answers = is_cut_off, loses_answers

    @precondition(lambda self: len(self.world.sources) > 1)
    @rule(which=WHICH)
    def die(self, which: int) -> None:
        place = which % len(self.world.sources)
        del self.world.sources[place], self.world.stores[place]

    def teardown(self) -> None:
        if hasattr(self, "world"):
            assert self.world.take(self.world.start(10), 100) == 100, (
                "nobody can have ids, though all troubles are over"
            )
