"""Allocators on a real PostgreSQL: what an application sees when clocks, the store, forks and arguments go wrong."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import caisson
from caisson.ids import IdAllocator, Layout
from caisson.ids.clock import SECOND_NS, Clocks
from caisson.ids.demand import Provision
from caisson.ids.segment import Segments
from postgres.clusters import Cluster
from postgres.ids.storm import stopped


@dataclass(slots=True)
class Wall:
    off_ns: int = 0

    def as_clocks(self) -> Clocks:
        return Clocks(lambda: time.time_ns() + self.off_ns, time.monotonic_ns, time.sleep)


def wait_until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def is_refused(ids: IdAllocator, seen: list[int]) -> bool:
    try:
        seen.append(ids.next())
    except caisson.NoIds:
        return True
    return False


def test_threads_never_get_the_same_id(server: Cluster, space: str) -> None:
    with IdAllocator.connect(dsn=server.dsn(), space=space) as ids:
        taken: list[list[int]] = [[] for _ in range(8)]

        def work(mine: list[int]) -> None:
            for _ in range(3_000):
                mine.append(ids.next())
                mine += ids.take(7)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        every = [id for mine in taken for id in mine]
        assert len(set(every)) == len(every) == ids.allocated == 8 * 3_000 * 8


def test_an_id_says_when_and_by_whom_it_was_made(server: Cluster, space: str) -> None:
    with IdAllocator.connect(dsn=server.dsn(), space=space) as ids:
        before = time.time()
        decoded = ids.decode(ids.next())
        assert before - 0.1 <= decoded.at.timestamp() <= time.time() + 0.001
        assert decoded.worker == 0


def test_goes_on_from_the_last_time_when_the_clock_goes_back_a_little(server: Cluster, space: str) -> None:
    wall = Wall()
    with IdAllocator.connect(dsn=server.dsn(), space=space, clocks=wall.as_clocks()) as ids:
        first = ids.take(5000)
        wall.off_ns = -SECOND_NS // 2
        second = ids.take(5000)
        assert min(second) > max(first)
        assert ids.rollbacks == 1


def test_refuses_when_the_clock_goes_back_by_an_hour_and_goes_on_when_it_is_set_right(
    server: Cluster, space: str
) -> None:
    wall, seen = Wall(), list[int]()
    with IdAllocator.connect(dsn=server.dsn(), space=space, clocks=wall.as_clocks(), timeout=0.1) as ids:
        assert not is_refused(ids, seen)
        wall.off_ns = -3600 * SECOND_NS
        time.sleep(0.01)
        with pytest.raises(caisson.ClockWentBack, match="maxRollback") as raised:
            ids.take(5000)
        assert raised.value.is_safe_to_retry
        wall.off_ns = 0
        wait_until(lambda: not is_refused(ids, seen))


def test_a_restart_with_the_clock_set_back_takes_another_worker_id(server: Cluster, space: str) -> None:
    with IdAllocator.connect(dsn=server.dsn(), space=space) as ids:
        first = ids.take(5000)
    wall = Wall(-SECOND_NS // 10)
    with IdAllocator.connect(dsn=server.dsn(), space=space, clocks=wall.as_clocks()) as ids:
        second = ids.take(5000)
    assert not set(first) & set(second)
    layout = Layout()
    assert layout.decode(first[0]).worker != layout.decode(second[0]).worker


def test_gives_the_time_that_is_reserved_while_the_store_hangs_and_nothing_more(server: Cluster, space: str) -> None:
    seen: list[int] = []
    with IdAllocator.connect(dsn=server.dsn(), space=space, reserve=2.0, timeout=0.1) as ids:
        with stopped(server.processes):
            assert not is_refused(ids, seen)
            wait_until(lambda: is_refused(ids, seen))
        wait_until(lambda: not is_refused(ids, seen))
    assert len(set(seen)) == len(seen)


def test_whose_worker_id_was_taken_gets_another(server: Cluster, space: str) -> None:
    with IdAllocator.connect(dsn=server.dsn(), space=space, reserve=2.0) as ids, server.connect() as raw:
        first = ids.next()
        raw.execute("UPDATE caisson.id_workers SET owner = 'somebody' WHERE space = %s", (space,))
        wait_until(lambda: ids.decode(ids.next()).worker != ids.decode(first).worker)


@pytest.mark.parametrize("mode", ["snowflake", "segment"])
def test_a_forked_child_gets_nothing_of_its_parents(server: Cluster, space: str, mode: str) -> None:
    with IdAllocator.connect(dsn=server.dsn(), space=space, mode=mode) as ids:
        ids.next()
        child = os.fork()
        if child == 0:
            try:
                ids.next()
            except caisson.ConfigurationError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert ids.next()


def test_without_that_a_forked_child_gives_the_ids_of_its_parent(server: Cluster, space: str) -> None:
    """The control: nobody is told of the fork."""
    with IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment") as ids:
        ids.next()
        caisson.ids.allocator._open.discard(ids._source)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, str(ids.next()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert int(os.read(reading, 100)) == ids.next()


def test_segments_outlast_ten_minutes_without_the_store_at_their_rated_load(server: Cluster, space: str) -> None:
    """Time is not waited for: what is in hand is counted, and taken while the store hangs."""
    provision = Provision(step=1000, rated_per_second=2_000.0)
    with IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment", provision=provision) as ids:
        ids.next()
        source = ids._source
        assert isinstance(source, Segments)
        wait_until(lambda: source.in_hand >= 600 * 2_000)
        with stopped(server.processes):
            taken = ids.take(600 * 2_000)
        assert len(set(taken)) == 600 * 2_000
        assert len(set(taken) | set(ids.take(10_000))) == 600 * 2_000 + 10_000


def test_segments_refuse_when_nothing_is_in_hand_and_the_store_hangs(server: Cluster, space: str) -> None:
    seen: list[int] = []
    with IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment", timeout=0.1) as ids:
        with stopped(server.processes), pytest.raises(caisson.NoIds):
            ids.take(10**6)
        wait_until(lambda: not is_refused(ids, seen))


def test_says_when_a_space_has_no_higher_id(server: Cluster, space: str) -> None:
    with server.connect() as raw:
        IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment").close()
        raw.execute("UPDATE caisson.id_segments SET next_id = 9223372036854775000 WHERE space = %s", (space,))
    with (
        pytest.raises(caisson.IdsExhausted) as raised,
        IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment", timeout=1.0) as ids,
    ):
        ids.take(10_000)
    assert not raised.value.is_safe_to_retry


def test_refuses_a_space_that_was_made_for_other_ids(server: Cluster, space: str) -> None:
    IdAllocator.connect(dsn=server.dsn(), space=space).close()
    with pytest.raises(caisson.ConfigurationError, match="take a new space"):
        IdAllocator.connect(dsn=server.dsn(), space=space, layout=Layout(41, 12, 10))
    with pytest.raises(caisson.ConfigurationError, match="take a new space"):
        IdAllocator.connect(dsn=server.dsn(), space=space, mode="segment")


def test_refuses_a_server_that_does_not_wait_for_its_standby(server: Cluster, space: str) -> None:
    with pytest.raises(caisson.ConfigurationError, match="synchronous_commit"):
        IdAllocator.connect(dsn=server.dsn(options="-c synchronous_commit=off"), space=space)


def test_says_that_no_worker_id_is_free(server: Cluster, space: str) -> None:
    small = Layout(41, 1, 12)
    with (
        IdAllocator.connect(dsn=server.dsn(), space=space, layout=small),
        IdAllocator.connect(dsn=server.dsn(), space=space, layout=small),
        IdAllocator.connect(dsn=server.dsn(), space=space, layout=small, timeout=0.1) as third,
        pytest.raises(caisson.NoWorkerId, match="all 2 worker ids"),
    ):
        third.next()
