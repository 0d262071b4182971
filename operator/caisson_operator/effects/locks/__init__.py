"""Lock spaces in their stores: read, opened, and relieved of a holder. Each backend by the entries of its binding.

Nothing is kept open between two calls. The lock itself is the SDK's: what is written here is only what no client may do.
"""

from collections.abc import Mapping

from caisson_operator.core.lock_space import SpaceView

from . import database, redis, zookeeper

Entries = Mapping[str, str]


async def read_space(backend: str, entries: Entries, space: str) -> SpaceView:
    """Raises StoreUnreachable, StoreUnusable."""
    match backend:
        case "database":
            return await database.read_space(entries, space)
        case "zookeeper":
            return await zookeeper.read_space(entries, space)
        case _:
            return await redis.read_space(entries, space)


async def open_space(backend: str, entries: Entries, space: str, base: int) -> None:
    """Let tokens begin with epochs above `base`. Raises StoreUnreachable, StoreUnusable."""
    match backend:
        case "database":
            await database.open_space(entries, space, base)
        case "zookeeper":
            await zookeeper.open_space(entries, space, base)
        case _:
            raise TypeError("the epoch of a Redis is raised by the agent in its own pod")


async def release(backend: str, entries: Entries, space: str, lock: str, highest_token: int) -> int:
    """Take the lock from those who hold it with this token or a smaller one: how many did. Doing it again takes it from
    nobody who came later. Raises StoreUnreachable, StoreUnusable."""
    match backend:
        case "database":
            return await database.release(entries, space, lock, highest_token)
        case "zookeeper":
            return await zookeeper.release(entries, space, lock, highest_token)
        case _:
            return await redis.release(entries, space, lock, highest_token)
