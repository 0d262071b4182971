"""The pool of one server, on connections that are none."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from psycopg import pq

from caisson.connections import Pool, ShardConnection
from caisson.refusals import NotConnected


class Connections:
    """Hands out stand-ins that look idle and quiet, and counts them."""

    def __init__(self) -> None:
        self.opened = 0
        self.sockets: list[socket.socket] = []

    def open(self, deadline: float) -> ShardConnection:
        self.opened += 1
        pair = socket.socketpair()
        self.sockets += pair
        pgconn = SimpleNamespace(transaction_status=pq.TransactionStatus.IDLE, socket=pair[0].fileno())
        return SimpleNamespace(pgconn=pgconn, closed=False, close=lambda: None, is_outdated=lambda: False)  # type: ignore[return-value]


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections()
    yield made
    for end in made.sockets:
        end.close()


def soon() -> float:
    return time.monotonic() + 5


def test_a_warm_pool_opens_nothing_for_its_first_users(connections: Connections) -> None:
    pool = Pool(connections.open, size=4)
    pool.warm(2, soon())
    with pool.connection(soon()), pool.connection(soon()):
        assert connections.opened == 2


def test_warming_adds_only_what_is_missing_and_keeps_to_the_size(connections: Connections) -> None:
    pool = Pool(connections.open, size=3)
    with pool.connection(soon()):
        pass
    pool.warm(2, soon())
    assert connections.opened == 2
    pool.warm(9, soon())
    assert connections.opened == 3


def test_remembers_how_many_were_lent_at_once(connections: Connections) -> None:
    pool = Pool(connections.open, size=4)
    assert pool.most_lent == 0
    with pool.connection(soon()), pool.connection(soon()):
        pass
    with pool.connection(soon()):
        pass
    assert pool.most_lent == 2


def test_a_pool_that_was_closed_is_not_warmed(connections: Connections) -> None:
    pool = Pool(connections.open, size=4)
    pool.close()
    pool.warm(2, soon())
    assert connections.opened == 0


def test_a_pool_says_so_when_every_connection_is_lent(connections: Connections) -> None:
    pool = Pool(connections.open, size=1)
    with pool.connection(soon()), pytest.raises(NotConnected, match="pool_size"), pool.connection(time.monotonic()):
        pass
