"""An allocator notes in its store that its wall clock went back, and the operator reads it there: PostgreSQL and ZooKeeper."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

import caisson
from caisson.binding import binding_reader
from caisson.ids.clock import SECOND_NS, Clocks
from caisson.ids.grants import RollbackReport, WorkerStore
from caisson.ids.postgres_session import PostgresSession
from caisson.ids.postgres_workers import PostgresWorkers
from caisson.ids.zookeeper_workers import ZooKeeperWorkers
from caisson.locks.zookeeper.client import Client
from caisson_operator.core.lock_space import StoreUnreachable
from caisson_operator.core.rollbacks import TOLD_SECONDS, Rollback
from caisson_operator.effects.id_rollbacks import read_rollbacks
from coordination.zookeeper import Ensemble, wait_for
from postgres.clusters import Cluster, running_clusters

_spaces = count()
TELLER = f"{socket.gethostname()}/{os.getpid()}"


@dataclass(slots=True)
class Wall:
    off_ns: int = 0

    def as_clocks(self) -> Clocks:
        return Clocks(lambda: time.time_ns() + self.off_ns, time.monotonic_ns, time.sleep)


@dataclass(frozen=True)
class Place:
    """A fresh space in one store: the SDK's way to it, and the operator's."""

    backend: str
    entries: dict[str, str]
    address: dict[str, str]
    open_store: Callable[[str], WorkerStore]
    space: str = field(default_factory=lambda: f"demo/orders-{next(_spaces)}")

    def connect(self, wall: Wall, **settings: Any) -> caisson.IdAllocator:
        clocks = wall.as_clocks()
        return caisson.IdAllocator.connect(**self.address, space=self.space, clocks=clocks, reserve=2.0, **settings)

    def read(self) -> tuple[Rollback, ...]:
        return asyncio.run(read_rollbacks(self.backend, self.entries, self.space))

    def note(self, *reports: RollbackReport) -> None:
        """As allocators would, each under a worker id of its own."""
        with closing(self.open_store(self.space)) as store:
            for report in reports:
                store.report_rollback(store.claim(time.time_ns() // 1_000_000, 600_000), report)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


@pytest.fixture(params=["database", "zookeeper"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "zookeeper":
        ensemble: Ensemble = request.getfixturevalue("zookeeper")
        return on_zookeeper(ensemble.hosts)
    cluster: Cluster = request.getfixturevalue("cluster")
    return on_database(cluster)


def on_zookeeper(hosts: str) -> Place:
    def open_store(space: str) -> WorkerStore:
        store = ZooKeeperWorkers(Client(hosts, 10.0, None), space, workers=1024)
        store.keep_space("snowflake", "41+10+12")
        return store

    return Place("zookeeper", {"hosts": hosts}, {"url": f"zookeeper://{hosts}"}, open_store)


def on_database(cluster: Cluster) -> Place:
    def open_store(space: str) -> WorkerStore:
        session = PostgresSession(binding_reader(None, None, cluster.dsn()))
        session.keep_space(space, "snowflake", "41+10+12")
        return PostgresWorkers(session, space, workers=1024)

    entries = {"host": "127.0.0.1", "port": str(cluster.port), "database": "app", "username": "postgres"}
    return Place("database", entries, {"dsn": cluster.dsn()}, open_store)


def test_a_store_that_has_no_such_space_tells_of_nothing(place: Place) -> None:
    assert place.read() == ()


def test_a_clock_that_goes_on_is_not_told_of(place: Place) -> None:
    with place.connect(Wall()) as ids:
        ids.take(5000)
    assert place.read() == ()


def test_the_operator_reads_whose_clock_went_back_how_far_and_when(place: Place) -> None:
    wall, began = Wall(), datetime.now(UTC)
    with place.connect(wall) as ids:
        ids.take(5000)
        wall.off_ns = -SECOND_NS // 2
        ids.take(5000)
        assert ids.rollbacks == 1
        (told,) = wait_for(place.read, 30, lambda: "nothing is told")
    assert (told.teller, told.host, told.worker, told.times) == (TELLER, socket.gethostname(), 0, 1)
    assert 0 < told.furthest_seconds <= 0.5
    assert began - timedelta(seconds=1) <= told.seen_at <= datetime.now(UTC) + timedelta(seconds=1)


def test_who_is_ended_because_its_clock_went_back_too_far_has_told_it(place: Place) -> None:
    wall = Wall()
    with place.connect(wall, timeout=0.1) as ids:
        ids.next()
        wall.off_ns = -3600 * SECOND_NS
        time.sleep(0.01)  # what is in hand is for a millisecond
        with pytest.raises(caisson.ClockWentBack):
            ids.take(5000)
    (told,) = place.read()
    assert 3590 < told.furthest_seconds <= 3600


def test_each_process_is_told_of_with_what_it_saw_last(place: Place) -> None:
    place.note(RollbackReport("a/1", 1, 10, 60_000), RollbackReport("b/7", 2, 1500, 30_000))
    told = place.read()
    assert [(each.worker, each.teller, each.times, each.furthest_seconds) for each in told] == [
        (1, "b/7", 2, 1.5),
        (0, "a/1", 1, 0.01),
    ]
    ages = [(datetime.now(UTC) - each.seen_at).total_seconds() for each in told]
    assert 29 <= ages[0] < 50
    assert place.read() == told, "the same note is another one at the next look"


def test_what_is_long_ago_is_not_told_any_more(place: Place) -> None:
    long_ago = round(TOLD_SECONDS * 1000)
    place.note(RollbackReport("a/1", 1, 10, long_ago + 5000), RollbackReport("b/7", 1, 10, long_ago - 60_000))
    assert [each.teller for each in place.read()] == ["b/7"]


@pytest.mark.parametrize(
    ("backend", "entries"),
    [
        ("database", {"host": "127.0.0.1", "port": "1", "database": "app", "username": "postgres"}),
        ("zookeeper", {"hosts": "127.0.0.1:1"}),
    ],
)
def test_a_store_that_does_not_answer_is_told_apart_from_one_that_has_no_notes(
    backend: str, entries: dict[str, str]
) -> None:
    with pytest.raises(StoreUnreachable):
        asyncio.run(read_rollbacks(backend, entries, "demo/orders"))
