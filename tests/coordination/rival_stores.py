"""The stores that rivals' locks are in, each with what its operator does for it, and with what becomes of a store."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kazoo.client import KazooClient

from caisson.locks.zookeeper.layout import Space
from coordination.opening import open_database
from coordination.relay import Way
from coordination.rival_redis import HOST, LEASE_SECONDS, running_independent_store, running_sentinel_store
from coordination.zookeeper import Ensemble, running_ensemble
from postgres.clusters import Cluster, running_clusters

SPACE = "demo/rivals"


class RivalStore(Protocol):
    @property
    def forgotten_seconds(self) -> float:
        """After so long without a word from its holder a lock is somebody else's."""

    def entries(self, way: Way | None = None) -> Mapping[str, str]:
        """Of a lock space's binding, for a client that goes that way."""

    def fail_over(self, dice: random.Random) -> None:
        """What serves is killed; returns once the store serves again and has all its members."""


@runtime_checkable
class ForgetfulStore(RivalStore, Protocol):
    """One whose tokens do not go back even if it loses all that it has."""

    def lose_data(self, dice: random.Random) -> bool:
        """Returns once the store serves again: whether it has what an older copy had, or nothing."""


@dataclass(frozen=True, slots=True)
class EnsembleStore:
    """Three ZooKeeper servers. A lease is half a session."""

    ensemble: Ensemble
    forgotten_seconds: float = 2 * LEASE_SECONDS

    def entries(self, way: Way | None = None) -> Mapping[str, str]:
        return {"backend": "zookeeper", "hosts": f"{HOST}:{way.lead_to(self.port)}" if way else self.ensemble.hosts}

    def port(self) -> int:
        """Of one that serves; while none does, a connection is refused or not answered."""
        servers = self.ensemble.servers
        return next((server.port for server in servers if server.role), servers[0].port)

    def fail_over(self, dice: random.Random) -> None:
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

    def entries(self, way: Way | None = None) -> Mapping[str, str]:
        login = {"database": "app", "username": "postgres", "password": "-"}
        port = way.lead_to(lambda: self.cluster.port) if way else self.cluster.port
        return {"backend": "database", "host": HOST, "port": str(port), **login}

    def fail_over(self, dice: random.Random) -> None:
        self.cluster.restart_immediate()


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
    "redis": running_sentinel_store,
    "redlock": running_independent_store,
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
