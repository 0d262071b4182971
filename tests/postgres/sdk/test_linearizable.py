"""Linearizable reads: they end once the synchronous standby has answered, so a primary that was replaced cannot serve one."""

from collections.abc import Iterator

import pytest

import caisson
import caisson.reading
from caisson import ShardedDatabase

from .pair import READ, STANDBY_HOST, Pair, background, running_pair, wait_until

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'caisson_app'"
NEWER = "UPDATE flights SET payload = 'new' WHERE tailnum = 'A' AND id = 1"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    with running_pair(monkeypatch) as pair:
        yield pair


@pytest.fixture
def db(pair: Pair) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=pair.dsn, timeout=15) as database:
        yield database


def test_a_linearizable_read_needs_the_standby_and_a_strong_one_does_not(pair: Pair, db: ShardedDatabase) -> None:
    assert db.fetch(READ, key="A", table="flights", consistency="linearizable") == [("old",)]
    pair.standby.stop("immediate")
    with pytest.raises(caisson.Unavailable) as raised:
        db.fetch(READ, key="A", table="flights", consistency="linearizable", timeout=2)
    assert raised.value.is_safe_to_retry
    assert db.fetch(READ, key="A", table="flights") == [("old",)], "the control"
    pair.standby.start()
    assert db.fetch(READ, key="A", table="flights", consistency="linearizable") == [("old",)]


def test_cut_off_with_an_old_primary_a_client_reads_stale_rows_but_not_linearizably(
    pair: Pair, db: ShardedDatabase
) -> None:
    pair.promote()
    pair.on_standby(NEWER)
    assert db.fetch(READ, key="A", table="flights") == [("old",)], "the limit of strong reads, and the control"
    with pytest.raises(caisson.Unavailable):
        db.fetch(READ, key="A", table="flights", consistency="linearizable", timeout=2)
    pair.addresses = [STANDBY_HOST]
    pair.primary.stop("immediate")
    assert db.fetch(READ, key="A", table="flights", consistency="linearizable") == [("new",)]


def cancel_a_waiting_read(pair: Pair, db: ShardedDatabase) -> list[object]:
    """What the read ends with when its wait is cancelled: the server then reports a success, with a WARNING."""
    pair.standby.stop("immediate")
    reading = background(lambda: db.fetch(READ, key="A", table="flights", consistency="linearizable"))
    wait_until(lambda: pair.on_primary(WAITING))
    ((first,),) = pair.on_primary(WAITING)
    pair.on_primary(f"SELECT pg_cancel_backend({first})")
    wait_until(lambda: reading.done() or [pid for (pid,) in pair.on_primary(WAITING) if pid != first])
    ended = reading.done()
    pair.standby.start()
    return [ended, reading.result(30)]


def test_a_cancelled_wait_is_a_failed_attempt(pair: Pair, db: ShardedDatabase) -> None:
    assert cancel_a_waiting_read(pair, db) == [False, [("old",)]]


def test_control_without_a_look_at_the_warning_the_cancelled_read_returns(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caisson.connections.ShardConnection.note_notice", lambda *_: None)
    db.close()
    with ShardedDatabase.connect(dsn=pair.dsn, timeout=15) as deaf:
        assert cancel_a_waiting_read(pair, deaf) == [True, [("old",)]]


def test_a_linearizable_read_still_only_reads(db: ShardedDatabase) -> None:
    with pytest.raises(caisson.ConfigurationError, match="only reads"):
        db.fetch(NEWER, key="A", table="flights", consistency="linearizable")
