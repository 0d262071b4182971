"""The stores that rivals' locks are in, each with what its operator does for it, and with what becomes of a store."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import redis
from kazoo.client import KazooClient

from caisson.locks.zookeeper.layout import Space
from coordination.opening import open_database
from coordination.redis import Server, running_redis, running_replica, running_sentinel
from coordination.zookeeper import Ensemble, running_ensemble
from postgres.clusters import Cluster, running_clusters

SPACE, MASTER = "demo/rivals", "locks"
LEASE_SECONDS = 1.0


class RivalStore(Protocol):
    @property
    def forgotten_seconds(self) -> float:
        """After so long without a word from its holder a lock is somebody else's."""

    def entries(self, port: int | None = None) -> Mapping[str, str]:
        """Of a lock space's binding; through a relay on `port`, if there is one."""

    def port(self) -> int:
        """Where the store serves now, for a relay. Raises OSError where that cannot be told."""

    def fail_over(self) -> None:
        """What serves is killed; returns once the store serves again and has all its members."""


class Agent(threading.Thread):
    """Raises the epoch of whoever Sentinel says is primary, whenever its replication id is another."""

    def __init__(self, sentinel: Server, servers: list[Server]) -> None:
        super().__init__(daemon=True)
        self.epoch = 0
        self.must_end = threading.Event()
        self._sentinel = sentinel
        self._servers = {server.port: server for server in servers}

    def primary(self) -> Server:
        _, port = self._sentinel.connect().sentinel_get_master_addr_by_name(MASTER)  # type: ignore[misc]
        return self._servers[int(port)]

    def run(self) -> None:
        while not self.must_end.wait(0.05):
            with suppress(redis.RedisError, OSError):
                self._look(self.primary())

    def _look(self, primary: Server) -> None:
        client = primary.connect()
        known = client.info("replication")
        if known["role"] == "master" and client.hget("caisson:epoch", "replid") != known["master_replid"]:
            self.epoch += 1
            primary.raise_epoch(self.epoch)


@dataclass(frozen=True, slots=True)
class SentinelStore:
    """A Redis primary with a replica under a Sentinel, and an agent as the one in a managed server's pod."""

    agent: Agent
    sentinel: Server
    forgotten_seconds: float = LEASE_SECONDS

    def entries(self, port: int | None = None) -> Mapping[str, str]:
        """Behind a relay nobody asks a Sentinel, who would tell the way around it."""
        place = {"backend": "redis", "host": "127.0.0.1", "port": str(port or self.port())}
        sentinels = json.dumps([{"host": "127.0.0.1", "port": self.sentinel.port}])
        return place if port else {**place, "master": MASTER, "sentinels": sentinels}

    def port(self) -> int:
        try:
            return self.agent.primary().port
        except redis.RedisError as error:
            raise ConnectionError("the Sentinel did not answer") from error

    def fail_over(self) -> None:
        """The other one is promoted and its epoch raised; the dead one comes back as its replica."""
        before, epoch = self.agent.primary(), self.agent.epoch
        before.kill()
        while self.agent.epoch == epoch:
            time.sleep(0.02)
        before.start()
        while before.connect().info("replication").get("master_link_status") != "up":
            time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class EnsembleStore:
    """Three ZooKeeper servers. A lease is half a session."""

    ensemble: Ensemble
    forgotten_seconds: float = 2 * LEASE_SECONDS

    def entries(self, port: int | None = None) -> Mapping[str, str]:
        return {"backend": "zookeeper", "hosts": f"127.0.0.1:{port}" if port else self.ensemble.hosts}

    def port(self) -> int:
        """Of one that serves; while none does, a connection is refused or not answered."""
        servers = self.ensemble.servers
        return next((server.port for server in servers if server.role), servers[0].port)

    def fail_over(self) -> None:
        leader = self.ensemble.leader
        leader.kill()
        self.ensemble.wait_until_serving()
        leader.start()
        self.ensemble.wait_until_serving()


@dataclass(frozen=True, slots=True)
class DatabaseStore:
    """One PostgreSQL server that crashes and recovers, every commit on its disk."""

    cluster: Cluster
    forgotten_seconds: float = LEASE_SECONDS

    def entries(self, port: int | None = None) -> Mapping[str, str]:
        login = {"database": "app", "username": "postgres", "password": "-"}
        return {"backend": "database", "host": "127.0.0.1", "port": str(port or self.port()), **login}

    def port(self) -> int:
        return self.cluster.port

    def fail_over(self) -> None:
        self.cluster.restart_immediate()


@contextmanager
def running_redis_store() -> Iterator[RivalStore]:
    with ExitStack() as stack:
        first = stack.enter_context(running_redis())
        second = stack.enter_context(running_replica(first))
        sentinel = stack.enter_context(running_sentinel(first, MASTER))
        agent = Agent(sentinel, [first, second])
        agent.start()
        stack.callback(agent.must_end.set)
        yield SentinelStore(agent, sentinel)


@contextmanager
def running_zookeeper_store() -> Iterator[RivalStore]:
    with running_ensemble(3) as ensemble:
        open_space(ensemble, SPACE, 0)
        yield EnsembleStore(ensemble)


@contextmanager
def running_database_store() -> Iterator[RivalStore]:
    with running_clusters(1) as (cluster,):
        open_database(cluster.dsn(), "demo/tables", LEASE_SECONDS).read_state()  # whoever comes first makes them
        with cluster.connect() as connection:
            connection.execute("SELECT caisson.lock_open(%s, true, 0)", (SPACE,))
        yield DatabaseStore(cluster)


STORES: Mapping[str, Callable[[], AbstractContextManager[RivalStore]]] = {
    "redis": running_redis_store,
    "zookeeper": running_zookeeper_store,
    "database": running_database_store,
}


def open_space(ensemble: Ensemble, space: str, base: int) -> None:
    """As the operator does it."""
    paths, client = Space(space), KazooClient(ensemble.hosts)
    client.start()
    client.create(paths.root, str(base).encode(), makepath=True)
    for path in paths.inner:
        client.create(path)
    client.stop()
    client.close()
