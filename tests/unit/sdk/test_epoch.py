"""The epoch of a shard never goes back, and connections of an older one are not lent."""

import socket
import time
from types import SimpleNamespace

import pytest
from psycopg import pq

from caisson.connections import Pool, ShardConnection
from caisson.epoch import Epochs, OldPrimary
from caisson.refusals import NotConnected


def test_a_newer_timeline_raises_the_epoch_and_an_older_is_refused() -> None:
    epochs = Epochs()
    epoch = epochs.hear("s0", 3)
    assert epochs.hear("s0", 4) is epoch
    assert epoch.newest_timeline == 4
    with pytest.raises(OldPrimary, match=r"shard s0 answered: it is on timeline 3, .* on timeline 4 was heard"):
        epochs.hear("s0", 3)
    assert epoch.newest_timeline == 4


def test_the_same_timeline_is_heard_again_and_shards_are_apart() -> None:
    epochs = Epochs()
    epochs.hear("s0", 7)
    assert epochs.hear("s0", 7).newest_timeline == 7
    assert epochs.hear("s1", 1).newest_timeline == 1


def test_an_old_primary_counts_as_not_connected() -> None:
    assert issubclass(OldPrimary, NotConnected)


def test_a_pool_lends_no_connection_of_an_older_timeline() -> None:
    epochs = Epochs()
    ends = socket.socketpair()

    def connect(deadline: float) -> ShardConnection:
        pgconn = SimpleNamespace(transaction_status=pq.TransactionStatus.IDLE, socket=ends[0].fileno())
        made = SimpleNamespace(pgconn=pgconn, closed=False, timeline=len(opened) + 1)
        made.epoch = epochs.hear("s0", made.timeline)
        made.is_outdated = lambda: ShardConnection.is_outdated(made)  # type: ignore[arg-type]
        made.close = lambda: closed.append(made.timeline)
        opened.append(made.timeline)
        return made  # type: ignore[return-value]

    opened: list[int] = []
    closed: list[int] = []
    pool = Pool(connect, size=2)
    deadline = time.monotonic() + 5
    with pool.connection(deadline), pool.connection(deadline):
        pass
    assert closed == [1], "its shard was heard on timeline 2 while it was lent"
    with pool.connection(deadline) as connection:
        assert connection.timeline == 2
    epochs.hear("s0", 3)
    with pool.connection(deadline) as connection:
        assert connection.timeline == 3
    assert closed == [1, 2]
    for end in ends:
        end.close()
