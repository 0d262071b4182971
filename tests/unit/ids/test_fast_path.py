"""The fast path gives each number once, to however many threads, with the interpreter's lock and without it."""

import threading
from itertools import count

import pytest

from caisson.ids import fast_path
from caisson.ids.fast_path import make_fast_path

FOREVER = 1 << 63


@pytest.mark.parametrize("has_interpreter_lock", [True, False])
def test_threads_get_different_numbers(monkeypatch: pytest.MonkeyPatch, has_interpreter_lock: bool) -> None:
    monkeypatch.setattr(fast_path, "_IS_LOCKED_BY_INTERPRETER", has_interpreter_lock)
    lock, batches = threading.RLock(), count()

    def refill() -> int:
        with lock:
            while not (ids := path.take(1)):
                first = next(batches) * 100
                path.install(range(first, first + 100), FOREVER)
            return ids[0]

    path = make_fast_path(lambda: 0, refill, lock)
    taken: list[list[int]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(path.next() for _ in range(5_000))) for mine in taken
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for mine in taken for id in mine}) == 20_000


def test_gives_nothing_of_a_batch_that_is_too_old() -> None:
    now = 5
    path = make_fast_path(lambda: now, lambda: -1, threading.RLock())
    path.install(range(10, 20), 6)
    assert path.next() == 10
    now = 6
    assert path.next() == -1
    assert path.take(3) == []
    path.keep(7)
    assert path.take(3) == [11, 12, 13]
    assert path.left() == 6
