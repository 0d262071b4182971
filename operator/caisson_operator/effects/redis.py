"""Redis and Sentinel as the operator reads them, and the few things that it changes: settings, a failover, a Sentinel's memory.

RedisUnreachable       nobody answered in time, or the answer was no; the text says which, never with what password
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.exceptions import RedisError

from caisson_operator.core.certificates import ServerAccess

SECONDS = 2.0
EPOCH_KEY = "caisson:epoch"


class RedisUnreachable(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ServerView:
    is_primary: bool
    is_linked: bool
    """A replica whose link to its primary is up."""
    epoch: int
    """The number that this primary serves under; 0 while its key does not carry its present replication id."""
    least_replicas: int
    """Without so many replicas that follow, it takes no writes."""
    replicas: int
    priority: int


@dataclass(frozen=True, slots=True)
class SentinelView:
    leader: str
    """Host name of the primary."""
    quorum: int
    other_sentinels: int
    replicas: int


async def read_server(address: str, port: int, access: ServerAccess) -> ServerView:
    """Raises RedisUnreachable."""
    async with _connected(address, port, access) as redis:
        told = await redis.info("replication")
        epoch, replid = await _call(redis, "HMGET", EPOCH_KEY, "epoch", "replid")
        settings = await redis.config_get("min-replicas-to-write", "replica-priority")
    is_primary = told["role"] == "master"
    serves = is_primary and replid == told["master_replid"]
    return ServerView(
        is_primary=is_primary,
        is_linked=told.get("master_link_status") == "up",
        epoch=int(epoch or 0) if serves else 0,
        least_replicas=int(settings["min-replicas-to-write"] or 0),
        replicas=int(told["connected_slaves"]),
        priority=int(settings["replica-priority"] or 0),
    )


async def read_sentinel(address: str, port: int, access: ServerAccess, name: str) -> SentinelView:
    """Raises RedisUnreachable."""
    async with _connected(address, port, access) as sentinel:
        answer = await _call(sentinel, "SENTINEL", "MASTER", name)
    told = dict(zip(answer[::2], answer[1::2], strict=True))
    return SentinelView(
        leader=told["ip"],
        quorum=int(told["quorum"]),
        other_sentinels=int(told["num-other-sentinels"]),
        replicas=int(told["num-slaves"]),
    )


async def set_least_replicas(address: str, port: int, access: ServerAccess, least: int) -> None:
    async with _connected(address, port, access) as redis:
        await redis.config_set("min-replicas-to-write", least)


async def set_priority(address: str, port: int, access: ServerAccess, priority: int) -> None:
    """0: never to be promoted."""
    async with _connected(address, port, access) as redis:
        await redis.config_set("replica-priority", priority)


async def set_quorum(address: str, port: int, access: ServerAccess, name: str, quorum: int) -> None:
    async with _connected(address, port, access) as sentinel:
        await _call(sentinel, "SENTINEL", "SET", name, "quorum", str(quorum))


async def forget_members(address: str, port: int, access: ServerAccess, name: str) -> None:
    """A Sentinel forgets all others and all replicas, and finds within seconds those that are there."""
    async with _connected(address, port, access) as sentinel:
        await _call(sentinel, "SENTINEL", "RESET", name)


async def ask_for_failover(address: str, port: int, access: ServerAccess, name: str) -> None:
    async with _connected(address, port, access) as sentinel:
        await _call(sentinel, "SENTINEL", "FAILOVER", name)


class _Connection(Connection):
    """Over TLS, to the address of a pod: what its name leads to may be the pod before, for as long as a resolver remembers.

    The certificate must be for a name all the same. All members show one, which is for the cluster's own name too.
    """

    def __init__(self, access: ServerAccess, **settings: Any) -> None:
        super().__init__(**settings)
        self._access = access

    def _connection_arguments(self) -> Mapping[str, Any]:
        context = ssl.create_default_context(cadata=self._access.authority)
        return {**super()._connection_arguments(), "ssl": context, "server_hostname": self._access.name}


@asynccontextmanager
async def _connected(address: str, port: int, access: ServerAccess) -> AsyncIterator[Redis]:
    pool = ConnectionPool(
        connection_class=_Connection,
        access=access,
        host=address,
        port=port,
        password=access.password,
        protocol=2,
        decode_responses=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
    )
    redis = Redis.from_pool(pool)
    try:
        yield redis
    except (TimeoutError, RedisError, OSError) as error:
        raise RedisUnreachable(f"{address}:{port}: {error or type(error).__name__}") from error
    finally:
        await redis.aclose()


async def _call(redis: Redis, *words: str) -> Any:
    return await redis.execute_command(*words)
