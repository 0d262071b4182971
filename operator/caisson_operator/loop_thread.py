"""An event loop in a thread of its own, for what must get its turn whatever the main one is busy with: renewing the Lease.

A reconcile that computes for seconds, or a hundred answers that arrive at once, hold up everything else on the loop
that they run on. Threads of one interpreter take turns of milliseconds.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Use it in an `async with`. What `run` is given belongs to this loop, and so does all that it opens."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=name, daemon=True)

    async def __aenter__(self) -> "LoopThread":
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result or error; cancelled here, it is cancelled there, before whatever is run after it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    @asynccontextmanager
    async def opened(self, manager: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Entered and left on this loop."""
        value = await self.run(_enter(manager))
        try:
            yield value
        finally:
            await self.run(_leave(manager))


async def _enter(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _leave(manager: AbstractAsyncContextManager[Any]) -> None:
    await manager.__aexit__(None, None, None)
