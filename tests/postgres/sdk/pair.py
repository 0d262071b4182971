"""A shard of two: a primary and its synchronous standby at the same port of two loopback addresses, behind one name.

What the name means is the test's to say, as a Service's endpoints or a DNS record would change in a failover.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import pytest

from postgres.clusters import Cluster, running_clusters, running_standby
from postgres.expansion.promotion import make_synchronous

from .shards import Shards

T = TypeVar("T")
NAME = "s0.test"
PRIMARY_HOST, STANDBY_HOST = "127.0.0.1", "127.0.0.2"
READ = "SELECT payload FROM flights WHERE tailnum = 'A' AND id = 1"
CLIENTS = "SELECT pid FROM pg_stat_activity WHERE usename = 'caisson_app'"
THREADS = ThreadPoolExecutor(8)


@dataclass
class Pair:
    """Two servers of one shard. `addresses` is what the name means now."""

    shards: Shards
    standby: Cluster
    addresses: list[str] = field(default_factory=lambda: [PRIMARY_HOST])

    @property
    def primary(self) -> Cluster:
        return self.shards.clusters[0]

    @property
    def dsn(self) -> str:
        return self.primary.dsn(user="caisson_app", host=NAME)

    def on_primary(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self.primary.connect(), sql)

    def on_standby(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self.standby.connect_at(STANDBY_HOST), sql)

    def promote(self) -> None:
        """Nobody tells the primary. Its writes wait for a standby from now on; it answers reads."""
        self.on_standby("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.on_standby("SELECT pg_reload_conf()")
        assert self.on_standby("SELECT pg_promote()") == [(True,)]

    def resolve(self, host: str | None, port: Any, *rest: Any, **more: Any) -> list[Any]:
        hosts: Sequence[str | None] = self.addresses if host == NAME else [host]
        return [found for each in hosts for found in GETADDRINFO(each, port, *rest, **more)]


GETADDRINFO = socket.getaddrinfo


@contextmanager
def running_pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A fresh pair in step, with one row ('A', 1, 'old')."""
    with running_clusters(1, {"fsync": "off"}) as clusters:
        shards = Shards(clusters, read_hosts={"s0": STANDBY_HOST})
        shards.install(lambda group, bucket: 0)
        with running_standby(clusters[0]) as standby:
            standby.stop()
            standby.port = clusters[0].port
            with (standby.data / "postgresql.auto.conf").open("a") as conf:
                conf.write(f"port = {standby.port}\nlisten_addresses = '{STANDBY_HOST}'\n")
            standby.start()
            make_synchronous(clusters[0])
            pair = Pair(shards, standby)
            monkeypatch.setattr(socket, "getaddrinfo", pair.resolve)
            pair.on_primary("INSERT INTO flights VALUES ('A', 1, 'old')")
            yield pair


def run(connection: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    """The last statement's rows; the connection is closed."""
    with connection:
        cursor = connection.execute(sql.encode())
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """The processes hang for as long as this lasts: their kernel still accepts connections for them."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def background(call: Callable[[], T]) -> Future[T]:
    """The call, in another thread."""
    return THREADS.submit(call)
