"""The queue's promises: one at a time for a key, wishes melted, failures later, delays kept, others not held up."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from caisson_operator.work_queue import LONGEST_BACKOFF_SECONDS, WorkQueue, backoff_seconds

Handle = Callable[[str], Awaitable[float | None]]


async def run_until(queue: WorkQueue[str], done: asyncio.Event) -> None:
    working = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@pytest.mark.asyncio
async def test_wishes_before_and_during_a_run_melt_into_one_run_each() -> None:
    runs, done = 0, asyncio.Event()

    async def handle(key: str) -> float | None:
        nonlocal runs
        runs += 1
        if runs == 1:
            for _ in range(5):
                queue.add(key)
        else:
            queue.add("last")
        if key == "last":
            done.set()
        return None

    queue: WorkQueue[str] = WorkQueue(handle, worker_limit=1)
    for _ in range(5):
        queue.add("one")
    await run_until(queue, done)
    assert runs == 3


@pytest.mark.asyncio
async def test_one_key_is_never_handled_twice_at_once_and_others_go_on() -> None:
    running: set[str] = set()
    handled: list[str] = []
    release, done = asyncio.Event(), asyncio.Event()

    async def handle(key: str) -> float | None:
        assert key not in running
        running.add(key)
        if key == "slow" and "slow" not in handled:
            queue.add("slow")
            queue.add("other")
            await release.wait()
        running.remove(key)
        handled.append(key)
        if key == "other":
            release.set()
        if handled.count("slow") == 2:
            done.set()
        return None

    queue: WorkQueue[str] = WorkQueue(handle)
    queue.add("slow")
    await run_until(queue, done)
    assert handled == ["other", "slow", "slow"]


@pytest.mark.asyncio
async def test_no_more_workers_than_the_limit() -> None:
    running = most = 0
    finished, done = 0, asyncio.Event()

    async def handle(key: str) -> float | None:
        nonlocal running, most, finished
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        finished += 1
        if finished == 9:
            done.set()
        return None

    queue: WorkQueue[str] = WorkQueue(handle, worker_limit=2)
    for number in range(9):
        queue.add(f"key{number}")
    await run_until(queue, done)
    assert most == 2


@pytest.mark.asyncio
async def test_is_called_again_after_the_delay_that_it_asked_for_and_not_before() -> None:
    loop, times, done = asyncio.get_running_loop(), [], asyncio.Event()

    async def handle(key: str) -> float | None:
        times.append(loop.time())
        if len(times) == 3:
            done.set()
            return None
        return 0.05

    queue: WorkQueue[str] = WorkQueue(handle)
    queue.add("one")
    await run_until(queue, done)
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.05


@pytest.mark.asyncio
async def test_a_failure_is_tried_again_and_forgotten_once_it_went_well() -> None:
    attempts, done = 0, asyncio.Event()

    async def handle(key: str) -> float | None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise RuntimeError("no route to the primary")
        done.set()
        return None

    queue: WorkQueue[str] = WorkQueue(handle)
    queue.add("one")
    await run_until(queue, done)
    assert attempts == 2
    assert queue._failures == {}


def test_the_backoff_doubles_up_to_its_cap() -> None:
    waits = [backoff_seconds(failures) for failures in range(1, 12)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_BACKOFF_SECONDS
    assert waits == sorted(waits)


def test_the_backoff_does_not_overflow() -> None:
    assert backoff_seconds(100_000) == LONGEST_BACKOFF_SECONDS


@pytest.mark.asyncio
async def test_cancelling_the_queue_cancels_what_runs() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(key: str) -> float | None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return None

    queue: WorkQueue[str] = WorkQueue(handle)
    queue.add("one")
    await run_until(queue, begun)
    assert cancelled.is_set()
