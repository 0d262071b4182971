"""Writes behind a fence: who held the lock before is refused by the shard, wherever its bucket has moved to."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

import caisson.transaction
from caisson import ConfigurationError, FencedOff, LockLost, ShardedDatabase, Transaction
from caisson.fence import Fence
from postgres.clusters import running_clusters

from .shards import Shards

KEY, ELSEWHERE = "N1", "N2"
LOCK = "demo/jobs:a"


class Held:
    """A hold, as far as a database looks at it."""

    def __init__(self, token: int, lock: str = LOCK) -> None:
        self.token = token
        self.lock = lock
        self.is_lost = False

    def fences(self) -> tuple[Fence, ...]:
        if self.is_lost:
            raise LockLost("the lock is held no longer")
        return (Fence(self.lock, self.token),)


@pytest.fixture(scope="module")
def shards() -> Iterator[Shards]:
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install(lambda group, bucket: 0)
        yield shards


@pytest.fixture
def db(shards: Shards) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=20) as database:
        for index in range(2):
            with shards.connect(index) as connection:
                connection.execute("DELETE FROM flights; DELETE FROM caisson.idempotency_aircraft")
        for tail in (KEY, ELSEWHERE):
            database.execute("INSERT INTO flights VALUES (%s, 1, '0')", (tail,), key=tail, table="flights")
        yield database


def bucket_of(db: ShardedDatabase, tail: str = KEY) -> int:
    return db.shard_map.bucket(db.shard_map.table("flights"), tail)


def add_one(tx: Transaction, key: str = KEY) -> None:
    value = read(tx, key)
    tx.execute("UPDATE flights SET n = %s WHERE tailnum = %s", (value + 1, key))


def read(tx: Transaction, key: str = KEY) -> int:
    return int(tx.fetch("SELECT n FROM flights WHERE tailnum = %s", (key,))[0][0])


def count(db: ShardedDatabase, key: str = KEY) -> int:
    return int(db.fetch("SELECT n FROM flights WHERE tailnum = %s", (key,), key=key, table="flights")[0][0])


def run(db: ShardedDatabase, held: Held | None, key: str = KEY) -> None:
    db.run(key, lambda tx: add_one(tx, key), table="flights", fence=held)


def test_writes_of_one_hold_pass_and_those_of_a_later_one(db: ShardedDatabase) -> None:
    for held in (Held(1), Held(1), Held(2), Held(1 << 62)):
        run(db, held)
    assert count(db) == 4


def test_an_older_hold_is_refused_for_good(db: ShardedDatabase) -> None:
    run(db, Held(2))
    for _ in range(2):
        with pytest.raises(FencedOff, match="lock demo/jobs:a has been granted to another since token 1") as caught:
            run(db, Held(1))
    assert not caught.value.is_safe_to_retry
    assert count(db) == 1


def test_nothing_of_a_refused_transaction_stays(db: ShardedDatabase) -> None:
    run(db, Held(2))

    def insert(tx: Transaction) -> None:
        tx.execute("INSERT INTO flights VALUES (%s, 99, '')", (KEY,))

    with pytest.raises(FencedOff):
        db.run(KEY, insert, table="flights", fence=Held(1))
    assert db.fetch("SELECT FROM flights WHERE tailnum = %s AND id = 99", (KEY,), key=KEY, table="flights") == []


def test_reading_behind_a_fence_shuts_out_the_older_holder(db: ShardedDatabase) -> None:
    db.run(KEY, read, table="flights", fence=Held(2))
    with pytest.raises(FencedOff):
        run(db, Held(1))


def test_a_fence_without_a_statement_is_raised_too(db: ShardedDatabase) -> None:
    db.run(KEY, lambda tx: None, table="flights", fence=Held(2))
    with pytest.raises(FencedOff):
        db.run(KEY, lambda tx: None, table="flights", fence=Held(1))


def test_locks_have_nothing_to_do_with_each_other(db: ShardedDatabase) -> None:
    run(db, Held(2))
    run(db, Held(1, "demo/jobs:b"))
    assert count(db) == 2


def test_an_update_by_a_stopped_holder_is_lost_without_a_fence_and_refused_with_one(db: ShardedDatabase) -> None:
    """The control: both read 0 and write 1, and both are told that they have counted."""

    def overtaken(is_fenced: bool) -> None:
        has_read, may_write = threading.Event(), threading.Event()

        def slowly(tx: Transaction) -> None:
            has_read.set()
            assert may_write.wait(60)
            tx.execute("UPDATE flights SET n = %s WHERE tailnum = %s", (seen + 1, KEY))

        seen = db.run(KEY, read, table="flights", fence=Held(1) if is_fenced else None)
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(
                db.run, KEY, lambda tx: slowly(tx), table="flights", fence=Held(1) if is_fenced else None
            )
            assert has_read.wait(60)
            run(db, Held(2) if is_fenced else None)
            may_write.set()
            stopped.result(60)

    overtaken(is_fenced=False)
    assert count(db) == 1, "without a fence one of two acknowledged updates is lost"
    with pytest.raises(FencedOff):
        overtaken(is_fenced=True)
    assert count(db) == 2


def test_two_holders_that_meet_take_turns(db: ShardedDatabase) -> None:
    """Checking last would let the later holder read before the older one writes."""
    with psycopg.connect(db_dsn(db)) as older:
        older.execute("SELECT caisson.raise_fence('aircraft', %s, %s, 1)", (bucket_of(db), LOCK))
        older.execute("UPDATE flights SET n = n + 1 WHERE tailnum = %s", (KEY,))
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(run, db, Held(2))
            older.commit()
            later.result(60)
    assert count(db) == 2


def db_dsn(db: ShardedDatabase) -> str:
    address = db.shard_map.addresses["s0"]
    return f"host={address.host} port={address.port} dbname=app user=caisson_app"


def test_a_fence_moves_with_its_bucket(db: ShardedDatabase, shards: Shards) -> None:
    run(db, Held(2))
    shards.move(bucket_of(db), 0, 1)
    with pytest.raises(FencedOff):
        run(db, Held(1))
    run(db, Held(3))
    shards.move(bucket_of(db), 1, 0)
    with pytest.raises(FencedOff):
        run(db, Held(2))
    assert count(db) == 2


def test_other_buckets_that_a_transaction_touches_are_fenced_too(db: ShardedDatabase) -> None:
    def both(tx: Transaction) -> None:
        tx.touch(ELSEWHERE, table="flights")
        add_one(tx)
        add_one(tx, ELSEWHERE)

    db.run(KEY, both, table="flights", fence=Held(2))
    with pytest.raises(FencedOff):
        run(db, Held(1), ELSEWHERE)
    assert bucket_of(db) != bucket_of(db, ELSEWHERE)


def test_a_result_that_is_stored_is_given_back_to_the_holder_whose_it_is(db: ShardedDatabase) -> None:
    first = db.run(KEY, read, table="flights", fence=Held(1), idempotency_key="once")
    run(db, Held(2))
    assert db.run(KEY, read, table="flights", fence=Held(1), idempotency_key="once") == first
    with pytest.raises(FencedOff):
        db.run(KEY, read, table="flights", fence=Held(1), idempotency_key="another")


def test_a_hold_that_is_known_to_be_over_does_not_get_as_far_as_the_shard(db: ShardedDatabase) -> None:
    held = Held(1)
    held.is_lost = True
    with pytest.raises(LockLost):
        run(db, held)
    assert count(db) == 0


def test_no_application_can_set_a_fence_back(db: ShardedDatabase) -> None:
    run(db, Held(2))
    with psycopg.connect(db_dsn(db), autocommit=True) as application:
        for sql in ("UPDATE caisson.idempotency_aircraft SET result = '0'", "DELETE FROM caisson.idempotency_aircraft"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(sql)


def test_no_idempotency_key_can_be_a_fence(db: ShardedDatabase) -> None:
    with pytest.raises(ConfigurationError, match="where fences are kept"):
        db.execute("DELETE FROM flights", key=KEY, table="flights", idempotency_key=f"caisson:fence:{LOCK}")


def test_a_shard_of_an_older_schema_says_that_it_can_not_fence(db: ShardedDatabase, shards: Shards) -> None:
    with shards.connect(0) as connection:
        connection.execute("ALTER FUNCTION caisson.raise_fence RENAME TO unknown_yet")
        try:
            with pytest.raises(ConfigurationError, match="can not fence yet"):
                run(db, Held(1))
        finally:
            connection.execute("ALTER FUNCTION caisson.unknown_yet RENAME TO raise_fence")


def test_a_control_checks_last_and_lets_the_later_holder_read_too_early(
    db: ShardedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fence behind the statements, as the gate's check is, a later holder reads what the older one changes."""

    class ChecksLast(Transaction):
        def execute(self, sql: str, params: object = None) -> caisson.Result:
            fences, self._unsent = self._unsent, []
            try:
                return super().execute(sql, params)
            finally:
                self._unsent = fences

    def interleave() -> int:
        later_has_read, older_is_done = threading.Event(), threading.Event()

        def slowly(tx: Transaction) -> None:
            value = read(tx)
            later_has_read.set()
            assert older_is_done.wait(60)
            tx.execute("UPDATE flights SET n = %s WHERE tailnum = %s", (value + 1, KEY))

        before = count(db)
        with ThreadPoolExecutor(2) as pool:
            later = pool.submit(db.run, KEY, slowly, table="flights", fence=Held(2, f"lock-{before}"))
            assert later_has_read.wait(60)
            older = pool.submit(run, db, Held(1, f"lock-{before}"))
            if ChecksLast is caisson.transaction.Transaction:
                older.result(60)
            older_is_done.set()
            later.result(60)
            refused = isinstance(older.exception(60), FencedOff)
        return count(db) - before - (1 if refused else 2)

    assert interleave() == 0
    monkeypatch.setattr(caisson.transaction, "Transaction", ChecksLast)
    assert interleave() == -1, "two acknowledged updates, and one of them is gone"
