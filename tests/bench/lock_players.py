"""The processes of the lock bench: who waits to be handed a lock, and who takes what it can get."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import redis

import caisson

SPAWN = multiprocessing.get_context("spawn")
TIMEOUT_SECONDS = 60.0
BASELINE_LEASE_SECONDS = 30.0

Hold = Callable[[], AbstractContextManager[object]]


@contextmanager
def opened(kind: str, url: str, name: str) -> Iterator[Hold]:
    """A function that waits for a lock of ours, or of redis-py's."""
    if kind == "caisson":
        with caisson.DistributedLock.connect(url=url) as locks:
            lock = locks.lock(name)
            yield lambda: lock.hold(timeout=TIMEOUT_SECONDS)
    else:
        theirs = redis.Redis.from_url(url).lock(name, timeout=BASELINE_LEASE_SECONDS)
        yield lambda: theirs


def wait_on_request(kind: str, url: str, name: str, pipe: "Connection[float | str, str | None]") -> None:
    """Each time that something is received: wait for the lock, and send when it was held."""
    with opened(kind, url, name) as hold:
        pipe.send("ready")
        while pipe.recv() is not None:
            pipe.send("waits")
            with hold():
                held_at = time.monotonic()
            pipe.send(held_at)


def take_turns(kind: str, url: str, name: str, seconds: float, start: Barrier, pipe: "Connection[int, object]") -> None:
    """Hold and release as often as it can be had: send how often."""
    with opened(kind, url, name) as hold:
        start.wait()
        end, turns = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            with hold():
                turns += 1
        pipe.send(turns)
