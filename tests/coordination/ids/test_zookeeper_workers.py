"""Worker ids in a real ZooKeeper keep the contract; the session is the lease."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

import caisson
from caisson.errors import ConfigurationError
from caisson.ids.grants import LeaseLost, WorkerStore
from caisson.ids.layout import Layout
from caisson.ids.zookeeper_workers import ZooKeeperWorkers
from caisson.locks.zookeeper.client import Client
from coordination.zookeeper import Ensemble, running_ensemble, wait_for
from fakes.id_stores_contract import OpenStore, WorkerStoreContract, now_ms

_spaces = count()


def open_workers(zookeeper: Ensemble, space: str, session_seconds: float = 10.0) -> ZooKeeperWorkers:
    store = ZooKeeperWorkers(Client(zookeeper.hosts, session_seconds, None), space, workers=2)
    store.keep_space("snowflake", "test")
    return store


@pytest.fixture
def space() -> str:
    return f"demo/orders-{next(_spaces)}"


@pytest.fixture
def open_store(zookeeper: Ensemble, space: str) -> Iterator[OpenStore]:
    with ExitStack() as stack:

        def open_one() -> WorkerStore:
            store = open_workers(zookeeper, space)
            stack.callback(store.close)
            return store

        yield open_one


class TestZooKeeperWorkers(WorkerStoreContract):
    pass


def test_the_lease_ends_with_the_session_and_its_owner_learns_it(zookeeper: Ensemble, space: str) -> None:
    first, second = open_workers(zookeeper, space), open_workers(zookeeper, space)
    grant = first.claim(now_ms() - 2000, 1000)
    second.claim(now_ms(), 60_000)
    first._client.stop()  # as if the process were gone for longer than its session lasts
    third = open_workers(zookeeper, space)
    again = third.claim(now_ms(), 60_000)
    assert again.worker == grant.worker
    first._client.restart()
    with pytest.raises(LeaseLost):
        first.extend(grant, now_ms() + 60_000, 60_000)
    for store in (first, second, third):
        store.close()


def test_allocators_on_zookeeper_give_different_ids(zookeeper: Ensemble, space: str) -> None:
    url = f"zookeeper://{zookeeper.hosts}"
    with (
        caisson.IdAllocator.connect(url=url, space=space, reserve=4.0) as one,
        caisson.IdAllocator.connect(url=url, space=space, reserve=4.0) as other,
    ):
        ids = [*one.take(5000), *other.take(5000), one.next(), other.next()]
    assert len(set(ids)) == len(ids)


def test_refuses_another_layout_of_the_same_space(zookeeper: Ensemble, space: str) -> None:
    url = f"zookeeper://{zookeeper.hosts}"
    caisson.IdAllocator.connect(url=url, space=space).close()
    with pytest.raises(ConfigurationError, match="take a new space"):
        caisson.IdAllocator.connect(url=url, space=space, layout=Layout(41, 9, 13))


def test_goes_on_with_the_reserved_time_while_zookeeper_hangs(zookeeper: Ensemble, space: str) -> None:
    with caisson.IdAllocator.connect(
        url=f"zookeeper://{zookeeper.hosts}", space=space, reserve=4.0, timeout=0.2
    ) as ids:
        seen = ids.take(10)
        with zookeeper.servers[0].stopped():
            seen += ids.take(10)

            def is_refused() -> bool:
                try:
                    seen.append(ids.next())
                except caisson.NoIds:
                    return True
                return False

            wait_for(is_refused, 30, lambda: "ids after the lease may have ended")
        wait_for(lambda: not is_refused(), 30, lambda: "no ids though ZooKeeper is back")
        assert len(set(seen)) == len(seen)


def test_an_ensemble_that_has_lost_its_data_gets_no_ids_out_of_who_had_some() -> None:
    """It no longer knows which time is whose: only a new space is safe, and a person has to say so."""
    with (
        running_ensemble() as ensemble,
        caisson.IdAllocator.connect(
            url=f"zookeeper://{ensemble.hosts}", reserve=2.0, max_rollback=0.5, timeout=0.2
        ) as ids,
    ):
        ids.next()
        (server,) = ensemble.servers
        server.kill()
        server.wipe()
        server.start()
        ensemble.wait_until_serving()

        wait_for(lambda: is_refused(ids), 60, lambda: "it goes on as if nothing had been lost")
        assert all(is_refused(ids) for _ in range(20))


def is_refused(ids: caisson.IdAllocator) -> bool:
    try:
        ids.next()
    except caisson.NoIds:
        return True
    return False
