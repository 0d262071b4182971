"""What runs on a loop of its own gets its turn while the main one is held up; the control runs on the main one."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from caisson_operator.loop_thread import LoopThread

NEVER_SECONDS, PATIENCE_SECONDS = 0.05, 10.0


async def set_soon(event: threading.Event) -> None:
    await asyncio.sleep(0.001)
    event.set()


def test_runs_while_the_main_loop_is_held_up() -> None:
    async def hold_up() -> bool:
        done = threading.Event()
        async with LoopThread("test") as aside:
            task = asyncio.create_task(aside.run(set_soon(done)))
            await asyncio.sleep(0)  # Let it begin.
            is_done = done.wait(PATIENCE_SECONDS)  # Nothing else happens on this loop meanwhile.
            await task
        return is_done

    assert asyncio.run(hold_up())


def test_the_control_on_the_main_loop_itself_waits() -> None:
    async def hold_up() -> bool:
        done = threading.Event()
        task = asyncio.create_task(set_soon(done))
        await asyncio.sleep(0)
        is_done = done.wait(NEVER_SECONDS)
        await task
        return is_done

    assert not asyncio.run(hold_up())


def test_what_is_cancelled_has_ended_before_the_next_begins() -> None:
    ended: list[str] = []
    has_begun = threading.Event()

    async def renew() -> None:
        has_begun.set()
        try:
            await asyncio.sleep(PATIENCE_SECONDS)
        finally:
            ended.append("renewal")

    async def release() -> None:
        ended.append("release")

    async def resign() -> None:
        async with LoopThread("test") as aside:
            renewal = asyncio.create_task(aside.run(renew()))
            await asyncio.to_thread(has_begun.wait, PATIENCE_SECONDS)
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await aside.run(release())

    asyncio.run(resign())
    assert ended == ["renewal", "release"]


def test_opens_and_closes_on_its_own_loop_and_passes_errors_on() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def open_something() -> AsyncIterator[int]:
        seen.append(threading.current_thread().name)
        yield 7
        seen.append(threading.current_thread().name)

    async def fail() -> None:
        raise LookupError("gone")

    async def use() -> None:
        async with LoopThread("aside") as aside, aside.opened(open_something()) as value:
            assert value == 7
            with pytest.raises(LookupError, match="gone"):
                await aside.run(fail())

    asyncio.run(use())
    assert seen == ["aside", "aside"]
