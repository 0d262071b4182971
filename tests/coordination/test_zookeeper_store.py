"""The lock store on a real ZooKeeper: the contract of all stores."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from caisson.locks.store import Grant, LockStore
from caisson.locks.zookeeper import Target, ZooKeeperStore
from coordination.lock_contract import FAR, LockContract, OpenStore, take
from coordination.zookeeper import Ensemble

_spaces = count()


def open_space(ensemble: Ensemble, stack: ExitStack) -> OpenStore:
    """Clients of a fresh space, closed with `stack`."""
    space = f"tests/space-{next(_spaces)}"

    def open_store(lease_seconds: float = FAR, *, fair: bool = True) -> ZooKeeperStore:
        # Long enough for a machine that has other things to do: a client that gets no time loses its session.
        target = Target(ensemble.hosts, authority=ensemble.authority)
        store = ZooKeeperStore(target, space, 4 * lease_seconds, makes_space=True)
        stack.callback(store.close)
        return store

    return open_store


class TestZooKeeperStore(LockContract):
    @pytest.fixture
    def open_store(self, zookeeper: Ensemble) -> Iterator[OpenStore]:
        with ExitStack() as stack:
            yield open_space(zookeeper, stack)

    def abandon(self, store: LockStore) -> Grant:
        """Its client goes; its session stands until the server has not heard of it for long enough."""
        grant = take(store)
        store.close()
        return grant


class TestZooKeeperStoreOverTls(TestZooKeeperStore):
    @pytest.fixture
    def open_store(self, secure_zookeeper: Ensemble) -> Iterator[OpenStore]:
        with ExitStack() as stack:
            yield open_space(secure_zookeeper, stack)
