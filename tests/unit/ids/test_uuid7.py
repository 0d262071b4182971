"""UUIDs of version 7 as RFC 9562 has them, ascending in one process."""

import os
import threading
from uuid import RFC_4122

import caisson
from caisson.ids.clock import MILLISECOND_NS, Clocks
from caisson.ids.uuid7 import Uuid7, milliseconds_of


def test_has_the_version_the_variant_and_the_time() -> None:
    id = Uuid7(Clocks(wall_ns=lambda: 1_645_557_742_000 * MILLISECOND_NS)).next()  # the RFC's example, appendix A.6
    assert (id.version, id.variant) == (7, RFC_4122)
    assert str(id).startswith("017f22e2-79b0-7")
    assert milliseconds_of(id) == 1_645_557_742_000


def test_ascends_within_a_millisecond_and_when_the_clock_goes_back() -> None:
    walls = iter([*([5] * 1000), *([3] * 1000), *([6] * 1000)])
    source = Uuid7(Clocks(wall_ns=lambda: next(walls) * MILLISECOND_NS))
    ids = source.take(3000)
    assert sorted(set(ids)) == ids
    assert source.rollbacks == 1


def test_begins_the_next_millisecond_when_the_counter_is_used_up() -> None:
    source = Uuid7(Clocks(wall_ns=lambda: 5 * MILLISECOND_NS))
    source.next()
    source._counter = (1 << 42) - 2
    ids = source.take(3)
    assert sorted(set(ids)) == ids
    assert [milliseconds_of(id) for id in ids] == [5, 6, 6]


def test_threads_and_forked_children_never_get_the_same() -> None:
    with caisson.IdAllocator.connect(mode="uuid7") as ids:
        taken: list[list[object]] = [[] for _ in range(4)]
        threads = [threading.Thread(target=lambda mine=mine: mine.extend(ids.take(2000))) for mine in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, str(ids.next()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        every = {str(id) for mine in taken for id in mine} | {str(ids.next()), os.read(reading, 100).decode()}
        assert len(every) == 8002
