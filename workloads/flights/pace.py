"""Keeps a thread at its rate, so that the figures speak of the database and not of a machine that is saturated."""

from collections.abc import Callable, Iterator

BACKLOG_SECONDS = 1.0


def ticks(per_second: float, now: Callable[[], float], wait: Callable[[float], bool]) -> Iterator[float]:
    """Yields when the next operation is due, until `wait` says stop.

    After a stall at most one second's worth is made up for: an endless backlog would turn a pause into a storm.
    """
    interval = 1 / per_second
    due = now()
    while not wait(max(0.0, due - now())):
        yield due
        due = max(due + interval, now() - BACKLOG_SECONDS)
