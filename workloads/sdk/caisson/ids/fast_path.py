"""The way that nearly every id takes: the next number of a range, while the batch is young enough.

A batch is checked as a whole when it is made (caisson.ids.snowflake, caisson.ids.segment); what remains for each id is its age.
The next number comes from the iterator of a `range`, whose step the interpreter does at once: two threads never get the same.
Where there is no global lock (free-threaded builds) every id takes the lock instead.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from operator import length_hint
from threading import RLock

_IS_LOCKED_BY_INTERPRETER = getattr(sys, "_is_gil_enabled", lambda: True)()


@dataclass(frozen=True, slots=True)
class FastPath:
    """`next` hands out an id, `take` at most so many; `install` puts a batch in; `keep` lets the same batch last longer.

    Times are readings of the monotonic clock in nanoseconds. All but `next` are called under the lock.
    """

    next: Callable[[], int]
    take: Callable[[int], list[int]]
    install: Callable[[range, int], None]
    keep: Callable[[int], None]
    left: Callable[[], int]


def make_fast_path(monotonic_ns: Callable[[], int], refill: Callable[[], int], lock: RLock) -> FastPath:
    """`refill` is called where the batch is used up or too old; it returns an id itself.

    Between the look at the clock and the return a thread may be stopped for any time. It may as well be stopped right after
    the return, so nothing can be asked of the id that is not asked of one that its caller keeps for a while.
    """
    step = iter(range(0)).__next__
    ids = iter(range(0))
    expires_ns = 0

    def next_id() -> int:
        if monotonic_ns() < expires_ns:
            try:
                return step()
            except StopIteration:
                pass
        return refill()

    def next_id_locked() -> int:
        with lock:
            ids = take(1)
        return ids[0] if ids else refill()

    def take(most: int) -> list[int]:
        return list(islice(ids, most)) if monotonic_ns() < expires_ns else []

    def install(batch: range, until_ns: int) -> None:
        """First the ids, then their age: who sees the new age sees the new ids."""
        nonlocal step, ids, expires_ns
        ids = iter(batch)
        step = ids.__next__
        expires_ns = until_ns

    def keep(until_ns: int) -> None:
        """The iterator stays: a second one over the same numbers would repeat what a thread takes from the first."""
        nonlocal expires_ns
        expires_ns = until_ns

    def left() -> int:
        return length_hint(ids)

    return FastPath(next_id if _IS_LOCKED_BY_INTERPRETER else next_id_locked, take, install, keep, left)
