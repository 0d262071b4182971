"""Old primaries: once a client has heard of a newer one, nothing that an older one says is accepted. With controls."""

from collections.abc import Iterator

import pytest

import caisson
from caisson import ShardedDatabase
from caisson.connections import ShardConnection
from caisson.epoch import Epochs, ShardEpoch

from .pair import CLIENTS, PRIMARY_HOST, READ, STANDBY_HOST, Pair, background, running_pair, stopped, wait_until

NEWER = "UPDATE flights SET payload = 'new' WHERE tailnum = 'A' AND id = 1"
END_CLIENTS = CLIENTS.replace("pid", "pg_terminate_backend(pid)", 1)
LISTENER = f"{CLIENTS} AND state = 'idle' AND query LIKE '%caisson.shard_map%'"
SLEEPING = f"{CLIENTS} AND state = 'active' AND query LIKE '%pg_sleep%'"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The standby has been promoted and shows a newer row; the name still means the old primary, which knows nothing."""
    with running_pair(monkeypatch) as pair:
        pair.promote()
        pair.on_standby(NEWER)
        yield pair


@pytest.fixture
def db(pair: Pair) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=pair.dsn, timeout=60) as database:
        yield database


def read(db: ShardedDatabase, timeout: float | None = None) -> str:
    ((payload,),) = db.fetch(READ, key="A", table="flights", timeout=timeout)
    return str(payload)


def hear_of_the_new_primary(pair: Pair) -> None:
    """The listener's connection breaks, and the name leads it to the new primary."""
    pair.addresses = [STANDBY_HOST]
    end_listener = LISTENER.replace("pid", "pg_terminate_backend(pid)", 1)
    wait_until(lambda: pair.on_primary(end_listener) is not None and pair.on_standby(LISTENER))


def go_back_to_the_old(pair: Pair) -> None:
    """Every connection breaks, and the name means the old primary again: a stale DNS record, a pinned address."""
    pair.addresses = [PRIMARY_HOST]
    pair.on_standby(END_CLIENTS)


def test_a_client_that_has_heard_of_the_new_primary_refuses_the_old(pair: Pair, db: ShardedDatabase) -> None:
    assert read(db) == "old"
    hear_of_the_new_primary(pair)
    assert read(db) == "new"
    go_back_to_the_old(pair)
    with pytest.raises(caisson.NoPrimary, match=r"an old primary of shard s0 .* timeline 1, .* timeline 2"):
        read(db, timeout=2)
    with pytest.raises(caisson.NoPrimary, match="an old primary"):
        db.execute(NEWER, key="A", table="flights", timeout=2)
    with pytest.raises(caisson.Unavailable, match="an old primary"):
        db.scatter("SELECT count(*) FROM flights", timeout=2)
    pair.addresses = [PRIMARY_HOST, STANDBY_HOST]
    assert read(db) == "new", "the name has an older and a newer one"


def test_control_without_the_epoch_the_old_primary_is_believed_again(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Epochs, "hear", lambda self, shard, timeline: ShardEpoch(shard))
    hear_of_the_new_primary(pair)
    go_back_to_the_old(pair)
    assert read(db) == "old"


def test_a_pooled_connection_to_an_old_primary_is_not_used_again(pair: Pair, db: ShardedDatabase) -> None:
    assert read(db) == "old"
    hear_of_the_new_primary(pair)
    assert read(db) == "new"
    wait_until(lambda: not pair.on_primary(CLIENTS))


def test_control_a_pooled_connection_to_an_old_primary_reads_a_stale_row(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShardConnection, "is_outdated", lambda self: False)
    assert read(db) == "old"
    hear_of_the_new_primary(pair)
    assert read(db) == "old"


def test_whoever_waits_for_an_old_primary_leaves_it_when_a_newer_is_heard(pair: Pair, db: ShardedDatabase) -> None:
    """Long before the deadlines, and though the old one never answers."""
    waits = "SELECT payload, pg_sleep(0.5) FROM flights WHERE tailnum = 'A' AND id = 1"
    reading = background(lambda: db.fetch(waits, key="A", table="flights"))
    wait_until(lambda: pair.on_primary(SLEEPING))
    ((backend,),) = pair.on_primary(SLEEPING)
    with stopped(backend):
        hear_of_the_new_primary(pair)
        assert reading.result(15)[0][0] == "new"


def test_a_statement_without_an_answer_makes_the_client_look_for_a_new_primary(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything of the old one hangs, and no clock would end the wait within an hour."""
    monkeypatch.setattr("caisson.map_source.REREAD_SECONDS", 3600.0)
    with ShardedDatabase.connect(dsn=pair.dsn, timeout=60) as db:
        assert read(db) == "old"
        pair.addresses = [STANDBY_HOST]
        with stopped(*pair.primary.processes):
            assert background(lambda: read(db, timeout=3 * 3600)).result(60) == "new"


def test_an_answer_that_an_old_primary_gives_late_is_not_accepted(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert late_answer(pair, db, monkeypatch) == "new"


def test_control_without_a_look_at_the_epoch_the_late_answer_is_stale(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShardConnection, "is_outdated", lambda self: False)
    assert late_answer(pair, db, monkeypatch) == "old"


def late_answer(pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    """A read of the old primary that is answered after the new one was heard, before its wait was looked at again."""
    monkeypatch.setattr("caisson.connections.PATIENCE_SECONDS", 3600.0)
    waits = "SELECT payload, pg_sleep(0.5) FROM flights WHERE tailnum = 'A' AND id = 1"
    reading = background(lambda: db.fetch(waits, key="A", table="flights"))
    wait_until(lambda: pair.on_primary(SLEEPING))
    ((backend,),) = pair.on_primary(SLEEPING)
    with stopped(backend):
        hear_of_the_new_primary(pair)
    return str(reading.result(30)[0][0])


def test_a_write_that_an_old_primary_has_not_answered_is_unknown_and_with_a_key_done_on_the_new(
    pair: Pair, db: ShardedDatabase
) -> None:
    """The old one holds its COMMIT back for a standby that has left."""
    insert = "INSERT INTO flights VALUES ('A', %s, 'x')"
    unknown = background(lambda: db.execute(insert, (2,), key="A", table="flights"))
    keyed = background(lambda: db.execute(insert, (3,), key="A", table="flights", idempotency_key="k"))
    waiting = f"{CLIENTS} AND wait_event = 'SyncRep'"
    wait_until(lambda: len(pair.on_primary(waiting)) == 2)
    hear_of_the_new_primary(pair)
    assert isinstance(unknown.exception(15), caisson.OutcomeUnknown)
    assert keyed.result(15).rowcount == 1
    assert pair.on_standby("SELECT id FROM flights WHERE tailnum = 'A' AND id > 1") == [(3,)]
