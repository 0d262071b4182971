"""Sessions whose COMMIT would not wait for the standby are refused, however they came to be so."""

from collections.abc import Callable, Iterator

import pytest

import caisson
import caisson.statements
from caisson import ShardedDatabase, Transaction

from .pair import Pair, running_pair

COUNT = "SELECT count(*) FROM flights WHERE id > 1"
INSERT = "INSERT INTO flights VALUES ('A', %s, %s)"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as monkeypatch, running_pair(monkeypatch) as pair:
        yield pair


@pytest.fixture
def db(pair: Pair) -> Iterator[ShardedDatabase]:
    pair.on_primary("DELETE FROM flights WHERE id > 1")
    with ShardedDatabase.connect(dsn=pair.dsn, timeout=10) as database:
        yield database


def by_a_name_put_together(tx: Transaction) -> None:
    tx.execute("SELECT set_config('synchronous_' || 'commit', 'off', false)")


def by_a_parameter(tx: Transaction) -> None:
    tx.execute("SELECT set_config(%s, 'local', true)", ("synchronous_commit",))


def by_a_block(tx: Transaction) -> None:
    tx.execute("DO $$ BEGIN EXECUTE 'SET synchronous' || '_commit = remote_write'; END $$")


@pytest.mark.parametrize("unprotect", [by_a_name_put_together, by_a_parameter, by_a_block])
def test_a_transaction_that_would_not_wait_for_its_standby_is_refused(
    pair: Pair, db: ShardedDatabase, unprotect: Callable[[Transaction], None]
) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(INSERT, (2, "x"))
        unprotect(tx)

    for key in (None, "k"):
        with pytest.raises(caisson.ConfigurationError, match=r'refused: .*"synchronous_commit = \w+"'):
            db.run("A", work, table="flights", idempotency_key=key)
    assert pair.on_primary(COUNT) == [(0,)]
    assert db.execute(INSERT, (3, "x"), key="A", table="flights").rowcount == 1, "nothing of it stays"


def test_a_single_statement_is_refused_too(pair: Pair, db: ShardedDatabase) -> None:
    sneak = "INSERT INTO flights SELECT 'A', 2, set_config('synchronous_' || 'commit', 'off', false)"
    for key in (None, "k1"):
        with pytest.raises(caisson.ConfigurationError, match="acknowledged writes would be lost"):
            db.execute(sneak, key="A", table="flights", idempotency_key=key)
    with pytest.raises(caisson.ConfigurationError, match="acknowledged writes would be lost"):
        db.fetch("SELECT set_config('synchronous_' || 'commit', 'off', false)", key="A", table="flights")
    assert pair.on_primary(COUNT) == [(0,)]


def test_control_without_the_check_a_write_is_acknowledged_that_no_standby_has(
    pair: Pair, db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(tx: Transaction) -> None:
        by_a_name_put_together(tx)
        tx.execute(INSERT, (2, "x"))

    pair.standby.stop("immediate")
    try:
        with pytest.raises(caisson.ConfigurationError):
            db.run("A", work, table="flights")
        monkeypatch.setattr(caisson.statements, "_PROTECTED_OR_FAIL", "1")
        db.run("A", work, table="flights")
    finally:
        pair.standby.start()


def test_data_may_hold_any_words(db: ShardedDatabase) -> None:
    assert db.execute(INSERT, (2, "SET synchronous_commit = off"), key="A", table="flights").rowcount == 1


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_a_session_that_begins_like_that_is_refused_with_where_it_comes_from(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    message = rf"synchronous_commit is '{value}' .* shard s0 \(set by: "
    dsn = f"{pair.dsn} options='-c synchronous_commit={value}'"
    with pytest.raises(caisson.ConfigurationError, match=message + r"client\)"):
        ShardedDatabase.connect(dsn=dsn, timeout=30)
    monkeypatch.setenv("PGOPTIONS", f"-c synchronous_commit={value}")
    with pytest.raises(caisson.ConfigurationError, match=message + r"client\)"):
        ShardedDatabase.connect(dsn=pair.dsn, timeout=30)
    monkeypatch.delenv("PGOPTIONS")
    pair.on_primary(f"ALTER ROLE caisson_app SET synchronous_commit = {value}")
    try:
        with pytest.raises(caisson.ConfigurationError, match=message + r"user\)"):
            ShardedDatabase.connect(dsn=pair.dsn, timeout=30)
    finally:
        pair.on_primary("ALTER ROLE caisson_app RESET synchronous_commit")


def test_waiting_for_more_than_the_default_is_fine(pair: Pair) -> None:
    with ShardedDatabase.connect(dsn=f"{pair.dsn} options='-c synchronous_commit=remote_apply'") as db:
        assert db.fetch("SELECT current_setting('synchronous_' || 'commit')", key="A", table="flights") == [
            ("remote_apply",)
        ]
