"""No adversary makes an id come twice; without any one of the guards there is a story in which it does."""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from caisson.ids.clock import MILLISECOND_NS, SteadyClock
from fakes.id_stores import FakeCluster

from .machines import HOUR_NS, SegmentMachine, WorkerMachine
from .world import RESERVE_MS, DuplicateId, Process, SegmentWorld, World

HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much]
THOROUGH = settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=HEALTH)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong here goes wrong a thousand times."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_no_worker_gives_an_id_twice() -> None:
    run_state_machine_as_test(WorkerMachine, settings=THOROUGH)


def test_no_segment_gives_an_id_twice() -> None:
    run_state_machine_as_test(SegmentMachine, settings=THOROUGH)


def goes_beyond_its_mark(process: Process) -> None:
    """Time is not reserved: who holds the lease stamps what its clock says."""
    extend = process.keeper._tell

    def tell(lease: Any, trouble: Any) -> None:
        if lease is not None:
            grant = type(lease.grant)(lease.grant.worker, lease.grant.owner, lease.grant.from_ms, 1 << 62)
            lease = type(lease)(grant, lease.ends_ns)
        extend(lease, trouble)

    process.keeper._tell = tell  # type: ignore[method-assign]


def follows_its_clock_back(process: Process) -> None:
    """The time that ids are stamped with is the wall clock's, back and forth."""
    source = process.source
    source._next_ms = lambda now_ms: now_ms  # type: ignore[method-assign]
    source._steady = TrustingClock(process.clocks.as_clocks(), 0)


class TrustingClock(SteadyClock):
    def now_ns(self, monotonic_ns: int) -> int:
        return self._clocks.wall_ns()


def restarts_at_the_same_moment(world: World) -> None:
    """The store's clock says that the lease is over; the new process's that nothing has happened yet."""
    process = world.processes[0]
    world.take(process, 20)
    world.processes.clear()
    world.set_store_clock(HOUR_NS)
    world.take(world.start(world.off_to_moment(0)), 20)


def oversleeps(world: World) -> None:
    """Somebody else has the worker id by now; the first renews as if nothing had been."""
    (first,) = world.processes
    world.pass_time((RESERVE_MS + 1) * MILLISECOND_NS)
    second = world.start()
    first.keeper.step()
    world.take(first, 1)
    world.take(second, 1)


def runs_ahead_and_dies(world: World) -> None:
    """Its clock was further ahead than it had said; its successor comes to that moment in time."""
    (first,) = world.processes
    first.clocks.wall_off_ns = 2 * RESERVE_MS * MILLISECOND_NS
    world.take(first, 1)
    world.processes.clear()
    world.pass_time(2 * RESERVE_MS * MILLISECOND_NS)
    world.take(world.start(), 1)


def is_set_back(world: World) -> None:
    (process,) = world.processes
    world.take(process, 1)
    world.pass_time(5 * MILLISECOND_NS)
    world.take(process, 1)
    process.clocks.wall_off_ns -= 5 * MILLISECOND_NS
    world.pass_time(2 * MILLISECOND_NS)  # the batch is too old by then
    process.clocks.wall_off_ns -= 2 * MILLISECOND_NS
    world.take(process, 1)


STORIES: dict[str, tuple[Callable[[], World], Callable[[World], None]]] = {
    "a mark that outlives the lease": (lambda: World(FakeCluster(keeps_marks=False)), restarts_at_the_same_moment),
    "the owner's compare-and-set": (lambda: World(FakeCluster(checks_owner=False)), oversleeps),
    "time reserved ahead": (lambda: World(arrange=goes_beyond_its_mark), runs_ahead_and_dies),
    "time that never goes back": (lambda: World(arrange=follows_its_clock_back), is_set_back),
}


@pytest.mark.parametrize("guard", STORIES)
def test_only_without_its_guard_an_id_comes_twice(guard: str) -> None:
    unguarded, story = STORIES[guard]
    guarded, control = World(), unguarded()
    guarded.start()
    control.start()
    story(guarded)
    with pytest.raises(DuplicateId):
        story(control)


def test_only_without_a_durable_addition_a_segment_comes_twice() -> None:
    for is_durable in (True, False):
        world = SegmentWorld(FakeCluster(is_durable=is_durable))
        first, second = world.start(10), world.start(10)
        assert world.take(first, 5) == 5
        with nullcontext() if is_durable else pytest.raises(DuplicateId):
            world.take(second, 5)
