"""What the operator reads of a lock space, and does in it, while the SDK keeps locks there: one layout, two programs."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import pytest
from psycopg.conninfo import conninfo_to_dict

from caisson.locks.policy import Policy
from caisson.locks.redis_opening import open_redis_url
from caisson.locks.store import Claim, LockStore, Mode, split_token
from caisson.locks.zookeeper import Target, ZooKeeperStore
from caisson_operator.core.lock_space import SpaceView, StoreUnreachable, StoreUnusable
from caisson_operator.effects import locks
from coordination.lock_contract import FAR, READ_A, A, Waiters, owner, take, waiting
from coordination.opening import open_database
from coordination.redis import Server
from coordination.zookeeper import Ensemble
from postgres.clusters import Cluster, running_clusters

LEASE = 10.0
_spaces = count()


@dataclass(frozen=True)
class Place:
    """A fresh space in one store: the operator's way to it, and the SDK's."""

    backend: str
    entries: dict[str, str]
    space: str
    open: Callable[[], LockStore]

    def read(self) -> SpaceView:
        return asyncio.run(locks.read_space(self.backend, self.entries, self.space))

    def open_space(self, base: int) -> None:
        asyncio.run(locks.open_space(self.backend, self.entries, self.space, base))

    def release(self, lock: str, highest_token: int) -> int:
        return asyncio.run(locks.release(self.backend, self.entries, self.space, lock, highest_token))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    with ThreadPoolExecutor(8) as pool:
        yield Waiters(pool)


@pytest.fixture(params=["redis", "zookeeper", "database"])
def place(request: pytest.FixtureRequest) -> Place:
    space = f"tests/seen-{next(_spaces)}"
    match request.param:
        case "redis":
            server: Server = request.getfixturevalue("server")
            entries = {"host": "127.0.0.1", "port": str(server.port)}
            policy = Policy(space, LEASE)
            return Place("redis", entries, space, lambda: open_redis_url(server.url, policy, is_managed=True))
        case "zookeeper":
            ensemble: Ensemble = request.getfixturevalue("zookeeper")
            hosts = ensemble.hosts
            return Place(
                "zookeeper",
                {"hosts": hosts},
                space,
                lambda: ZooKeeperStore(Target(hosts), space, LEASE, makes_space=False),
            )
        case _:
            return database(request.getfixturevalue("cluster"), space)


def database(cluster: Cluster, space: str) -> Place:
    target = conninfo_to_dict(cluster.dsn())
    entries = {"host": "127.0.0.1", "port": str(target["port"]), "database": "app", "username": "postgres"}
    return Place("database", entries, space, lambda: open_database(cluster.dsn(), space, LEASE, is_managed=True))


def opened(place: Place) -> LockStore:
    """A client of the space, which the operator has opened where that is its task."""
    if place.backend != "redis":
        assert not place.read().is_open
        place.open_space(3)
    return place.open()


def test_the_operator_sees_what_the_clients_hold_and_wait_for(place: Place, waiters: Waiters) -> None:
    store = opened(place)
    first, behind = take(store, Claim("invoice:42/ä")), owner()
    readers = [take(store, READ_A), take(store, READ_A)]
    permit = take(store, Claim("c", Mode.PERMIT, 2))
    waiter = waiters.join_queue(store, Claim("invoice:42/ä"), behind)
    seen = place.read()
    by_name = {lock.name: lock for lock in seen.locks}
    (holder,) = by_name["invoice:42/ä"].holders
    assert (holder.owner, holder.mode, holder.token) == (first.owner, "exclusive", first.token)
    assert 0 <= holder.held_seconds < FAR
    assert by_name["invoice:42/ä"].waiting == (behind,)
    assert {each.owner for each in by_name["a"].holders} == {reader.owner for reader in readers}
    assert [each.owner for each in by_name["c"].holders] == [permit.owner]
    assert seen.epoch == split_token(first.token)[0]
    assert seen.is_open
    store.release(first)
    assert waiter.result(FAR) is not None
    after = place.read()
    told = store.read_state()
    assert (after.granted, after.waited) == (told.granted_total, told.waited_total)
    store.close()


def test_a_lock_that_is_taken_away_is_lost_to_its_holder_and_its_tokens_rise(place: Place, waiters: Waiters) -> None:
    store, other = opened(place), place.open()
    held = take(store)
    waiter = waiters.join_queue(other)
    assert place.release("a", held.token) == 1
    later = waiter.result(FAR)
    assert later is not None
    assert later.token > held.token
    assert store.renew([held]) == [False]
    assert place.release("a", held.token) == 0
    assert other.renew([later]) == [True]
    assert waiting(store) == ()
    store.close()
    other.close()


def test_a_space_that_is_raised_gives_greater_tokens(place: Place) -> None:
    if place.backend == "redis":
        return  # whose epoch its agent raises
    store = opened(place)
    before = take(store)
    base = place.read().base + 100
    place.open_space(base)
    place.open_space(base)
    place.open_space(1)
    seen = place.read()
    assert seen.base == base
    store.close()
    again = place.open()
    assert (
        split_token(take(again, A if place.backend == "database" and again.force_release("a") else Claim("z")).token)[0]
        == seen.epoch
    )
    assert seen.epoch >= split_token(before.token)[0] + 90
    again.close()


def test_a_store_that_gives_no_answer_is_a_finding() -> None:
    for backend, entries in (
        ("redis", {"host": "127.0.0.1", "port": "1"}),
        ("zookeeper", {"hosts": "127.0.0.1:1"}),
        ("database", {"uri": "postgresql://nobody:secret@127.0.0.1:1/app"}),
    ):
        with pytest.raises(StoreUnreachable) as failure:
            asyncio.run(locks.read_space(backend, entries, "tests/none"))
        assert "secret" not in str(failure.value)


def test_a_database_in_which_no_tables_may_be_made_is_a_finding(cluster: Cluster) -> None:
    with cluster.connect(dbname="postgres") as connection:
        connection.execute("CREATE DATABASE foreign_one")
    entries = {"uri": cluster.dsn("foreign_one", "caisson_app")}
    assert not asyncio.run(locks.read_space("database", entries, "tests/x")).is_open
    with pytest.raises(StoreUnusable, match="may not make them"):
        asyncio.run(locks.open_space("database", entries, "tests/x", 0))
