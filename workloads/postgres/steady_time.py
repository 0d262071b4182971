"""Patroni by the monotonic clock: when its next cycle is due, how old a record is, how long a request may take.

Patroni asks the wall clock for all of that. Put on by an hour, a leader's record has run out in its own eyes, and a request to
the store has had its time before it is sent; put back by an hour, the next cycle is due in an hour.

Here the modules of Patroni that measure get another `time`, which begins as the wall clock says and then goes on as the monotonic one.
What is told to others stays the wall clock's: `renewTime` and `acquireTime` (Patroni asks `datetime` for them), and when the store
was last seen. By `datetime`, and so by the wall clock, go on as well: scheduled switchovers and restarts, as they must, and how often the
token of the service account is read again, every minute: a clock put back by an hour has that wait as long.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

Clock = Callable[[], float]


def begin_steadily(wall: Clock = time.time, monotonic: Clock = time.monotonic) -> Clock:
    """A clock that says what `wall` says now, and then never jumps. In seconds since 1970, about."""
    ahead_seconds = wall() - monotonic()
    return lambda: ahead_seconds + monotonic()


class SteadyTime:
    """Python's `time` for a module of Patroni; `replaced` is what stood there before, and does all the rest."""

    def __init__(self, replaced: Any, steady: Clock) -> None:
        self._replaced, self.time = replaced, steady

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)


def measure_steadily(modules: Iterable[Any], store: Any, steady: Clock, wall: Clock = time.time) -> None:
    """All of Patroni's modules that measure must be given, since they compare each other's times. `store` is its class Kubernetes.

    Raises AttributeError where one of them does not look at `time.time`, or the store tells no `last_seen`, any more.
    """
    store.last_seen  # noqa: B018
    for module in modules:
        module.time.time  # noqa: B018
        module.time = SteadyTime(module.time, steady)
    store.last_seen = property(lambda self: tell_by(wall, steady, self._last_seen))


def tell_by(wall: Clock, steady: Clock, moment: float) -> int:
    """`moment` of the steady clock as the wall clock would call it now; 0, never, stays 0."""
    return round(wall() - steady() + moment) if moment else 0
