"""The lock store on a real PostgreSQL: the contract of all stores."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from caisson.binding import binding_reader
from caisson.locks.database import DatabaseStore, Server
from caisson.locks.policy import Policy
from coordination.lock_contract import FAR, LockContract, OpenStore
from postgres.clusters import Cluster, running_clusters

_spaces = count()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


def open_store(cluster: Cluster, space: str, lease_seconds: float = FAR, fair: bool = True) -> DatabaseStore:
    server = Server(binding_reader(None, None, cluster.dsn()))
    return DatabaseStore(server, Policy(space, lease_seconds, fair), is_managed=False)


class TestDatabaseStore(LockContract):
    @pytest.fixture
    def open_store(self, cluster: Cluster) -> Iterator[OpenStore]:
        space = f"tests/space-{next(_spaces)}"
        with ExitStack() as stack:

            def opened(lease_seconds: float = FAR, *, fair: bool = True) -> DatabaseStore:
                store = open_store(cluster, space, lease_seconds, fair)
                stack.callback(store.close)
                return store

            yield opened
