"""The SDK's everyday use against two real shards: routing, errors, idempotency, scatter, load."""

from collections.abc import Iterator

import psycopg
import pytest

import caisson
from caisson import ShardedDatabase, Transaction
from postgres.clusters import running_clusters

from .shards import BUCKETS, Shards

TAILS = [f"N{number:05d}" for number in range(200)]


@pytest.fixture(scope="module")
def shards() -> Iterator[Shards]:
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install()
        yield shards


@pytest.fixture
def db(shards: Shards) -> Iterator[ShardedDatabase]:
    for index in range(2):
        with shards.connect(index) as connection:
            connection.execute("DELETE FROM flights; DELETE FROM planes; DELETE FROM caisson.idempotency_aircraft")
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=5) as database:
        yield database


def test_a_statement_goes_to_the_owner_and_is_read_back(db: ShardedDatabase) -> None:
    for tail in TAILS:
        assert db.execute("INSERT INTO planes VALUES (%s, 4)", (tail,), key=tail).rowcount == 1
    for tail in TAILS:
        assert db.fetch("SELECT seats FROM planes WHERE tailnum = %s", (tail,), key=tail) == [(4,)]
    counts = {result.shard: result.rows[0][0] for result in db.scatter("SELECT count(*) FROM planes")}
    assert sum(counts.values()) == len(TAILS)
    assert sorted(counts) == ["s0", "s1"]
    assert min(counts.values()) > 0


def test_returned_rows_come_with_the_result(db: ShardedDatabase) -> None:
    result = db.execute("INSERT INTO planes VALUES ('A', 4) RETURNING seats * 2", key="A")
    assert result.rows == [(8,)]


def test_a_percent_sign_needs_no_doubling_without_parameters(db: ShardedDatabase) -> None:
    assert db.fetch("SELECT 'a%' LIKE 'a%' -- a comment", key="A") == [(True,)]


def test_the_applications_own_errors_pass_through(db: ShardedDatabase) -> None:
    db.execute("INSERT INTO planes VALUES ('A', 4)", key="A")
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute("INSERT INTO planes VALUES ('A', 4)", key="A")
    with pytest.raises(psycopg.errors.CheckViolation):
        db.execute("INSERT INTO planes VALUES ('A', -1)", key="A")
    with pytest.raises(psycopg.errors.SyntaxError):
        db.execute("SELEKT", key="A")


def test_a_row_of_another_key_is_the_applications_error_not_a_move(db: ShardedDatabase) -> None:
    there = next(tail for tail in TAILS if owner(db, tail) == "s0")
    elsewhere = next(tail for tail in TAILS if owner(db, tail) == "s1")
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        db.execute("INSERT INTO planes VALUES (%s, 4)", (elsewhere,), key=there)


def test_sql_that_ends_the_transaction_is_refused(db: ShardedDatabase) -> None:
    with pytest.raises(caisson.ConfigurationError, match="transaction"):
        db.execute("COMMIT", key="A")
    with pytest.raises(caisson.ConfigurationError, match="transaction"):
        db.run("A", lambda tx: tx.execute("ROLLBACK"))
    with pytest.raises(caisson.ConfigurationError, match="synchronous_commit"):
        db.execute("SET synchronous_commit = off", key="A")
    with pytest.raises(caisson.ConfigurationError, match="no statement"):
        db.execute("", key="A")


def test_fetch_refuses_to_write_and_unknown_consistencies(db: ShardedDatabase) -> None:
    with pytest.raises(caisson.ConfigurationError, match="only reads"):
        db.fetch("DELETE FROM planes", key="A")
    with pytest.raises(caisson.ConfigurationError, match="strong, linearizable, eventual"):
        db.fetch("SELECT 1", key="A", consistency="session")


def test_a_key_of_the_wrong_type_is_named(db: ShardedDatabase) -> None:
    keys: list[object] = [7, ("a", "b"), [], object()]
    for key in keys:
        with pytest.raises(caisson.BadKey):
            db.execute("SELECT 1", key=key)
    with pytest.raises(caisson.UnknownTable, match="flights, planes"):
        db.execute("SELECT 1", key="A", table="trains")


def test_execute_with_an_idempotency_key_is_done_once(db: ShardedDatabase) -> None:
    first = db.execute("INSERT INTO flights VALUES ('A', 1, 'x')", key="A", idempotency_key="k")
    again = db.execute("INSERT INTO flights VALUES ('A', 1, 'x')", key="A", idempotency_key="k")
    assert (first.rowcount, first.is_replayed) == (1, False)
    assert (again.rowcount, again.is_replayed) == (1, True)
    db.execute("UPDATE flights SET n = n + 1 WHERE tailnum = 'A'", key="A", idempotency_key="u")
    assert db.execute("UPDATE flights SET n = n + 1 WHERE tailnum = 'A'", key="A", idempotency_key="u").is_replayed
    assert db.fetch("SELECT n FROM flights WHERE tailnum = 'A'", key="A") == [(1,)]


def test_execute_with_an_idempotency_key_gives_back_rows_the_first_time(db: ShardedDatabase) -> None:
    text = "INSERT INTO flights VALUES ('A', 1, 'x') RETURNING n"
    assert db.execute(text, key="A", idempotency_key="k").rows == [(0,)]
    again = db.execute(text, key="A", idempotency_key="k")
    assert (again.rowcount, again.rows, again.is_replayed) == (1, [], True)


@pytest.mark.parametrize("returning", ["", " RETURNING n"])
def test_a_key_that_was_used_by_one_form_is_known_to_the_other(db: ShardedDatabase, returning: str) -> None:
    text = "INSERT INTO flights VALUES ('A', 1, 'x')"
    other = text + " RETURNING n"
    assert not db.execute(text + returning, key="A", idempotency_key="k").is_replayed
    assert all(db.execute(each, key="A", idempotency_key="k").is_replayed for each in (text, other))


def test_an_application_error_under_an_idempotency_key_stores_nothing(db: ShardedDatabase) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        db.execute("INSERT INTO planes VALUES ('A', -1)", key="A", idempotency_key="k")
    assert not db.execute("INSERT INTO planes VALUES ('A', 1)", key="A", idempotency_key="k").is_replayed


def test_run_is_one_transaction_and_replays_its_result(db: ShardedDatabase) -> None:
    calls: list[int] = []

    def work(tx: Transaction) -> dict[str, object]:
        calls.append(1)
        tx.execute("INSERT INTO flights VALUES ('A', 1, 'x')")
        return {"rows": tx.fetch("SELECT count(*) FROM flights WHERE tailnum = 'A'")[0][0]}

    assert db.run("A", work, idempotency_key="k") == {"rows": 1}
    assert db.run("A", work, idempotency_key="k") == {"rows": 1}
    assert len(calls) == 1


def test_run_rolls_back_when_the_function_raises(db: ShardedDatabase) -> None:
    def work(tx: Transaction) -> None:
        tx.execute("INSERT INTO planes VALUES ('A', 1)")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        db.run("A", work)
    assert db.fetch("SELECT count(*) FROM planes", key="A") == [(0,)]


def test_run_survives_an_error_behind_a_savepoint(db: ShardedDatabase) -> None:
    def work(tx: Transaction) -> int:
        tx.execute("INSERT INTO planes VALUES ('A', 1)")
        tx.execute("SAVEPOINT s")
        with pytest.raises(psycopg.errors.UniqueViolation):
            tx.execute("INSERT INTO planes VALUES ('A', 1)")
        tx.execute("ROLLBACK TO s")
        return tx.execute("UPDATE planes SET seats = 2").rowcount

    assert db.run("A", work) == 1
    assert db.fetch("SELECT seats FROM planes", key="A") == [(2,)]


def test_a_swallowed_error_is_not_a_success(db: ShardedDatabase) -> None:
    def work(tx: Transaction) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            tx.execute("SELECT 1/0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        db.run("A", work)


def test_touch_accepts_a_key_of_the_same_shard_and_refuses_another(db: ShardedDatabase) -> None:
    here = [tail for tail in TAILS if owner(db, tail) == "s0"]
    elsewhere = next(tail for tail in TAILS if owner(db, tail) == "s1")

    def work(tx: Transaction, other: str) -> int:
        tx.touch(other)
        return tx.execute("INSERT INTO planes VALUES (%s, 1), (%s, 1)", (here[0], other)).rowcount

    assert db.run(here[0], lambda tx: work(tx, here[1])) == 2
    with pytest.raises(caisson.NotOnOneShard, match="s1"):
        db.run(here[0], lambda tx: work(tx, elsewhere))


def test_load_copies_every_row_once_and_reports_progress(db: ShardedDatabase) -> None:
    rows = [(tail, number, "x") for number in range(100) for tail in TAILS]
    seen: list[int] = []
    columns = ["tailnum", "id", "payload"]
    assert db.load("flights", columns, iter(rows), key="tailnum", progress=seen.append) == len(rows)
    assert seen == [10_000, 20_000]
    assert sum(result.rows[0][0] for result in db.scatter("SELECT count(*) FROM flights")) == len(rows)


def test_a_load_under_a_key_may_be_begun_again(db: ShardedDatabase) -> None:
    rows = [(tail, 1, "x") for tail in TAILS]
    columns = ["tailnum", "id", "payload"]
    for _ in range(2):
        assert db.load("flights", columns, rows, key=["tailnum"], idempotency_key="first") == len(rows)
    assert sum(result.rows[0][0] for result in db.scatter("SELECT count(*) FROM flights")) == len(rows)


def test_load_names_what_is_wrong_with_its_input(db: ShardedDatabase) -> None:
    with pytest.raises(caisson.ConfigurationError, match="sharding key"):
        db.load("flights", ["tailnum", "id"], [("A", 1)], key="id")
    with pytest.raises(caisson.ConfigurationError, match="lack"):
        db.load("flights", ["id"], [(1,)], key="tailnum")
    with pytest.raises(caisson.BadKey, match="row 1 "):
        db.load("flights", ["tailnum", "id"], [("A", 1), (5, 1)], key="tailnum")
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.load("flights", ["tailnum", "id"], [("A", 1), ("A", 1)], key="tailnum")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM flights f JOIN planes p USING (tailnum)",
        "WITH x AS (SELECT * FROM flights) SELECT count(*) FROM x JOIN planes USING (tailnum)",
        "/* hint */ with recursive n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
        "SELECT count(*) FROM flights JOIN planes USING (tailnum) WHERE EXISTS (SELECT FROM n)",
        "(SELECT count(*) FROM flights JOIN planes USING (tailnum))",
        "SELECT (SELECT count(*) FROM flights JOIN planes USING (tailnum)) -- at the end",
    ],
)
def test_scatter_takes_plain_sql(db: ShardedDatabase, sql: str) -> None:
    db.load("flights", ["tailnum", "id"], [(tail, 1) for tail in TAILS], key="tailnum")
    db.load("planes", ["tailnum", "seats"], [(tail, 1) for tail in TAILS], key="tailnum")
    assert sum(result.rows[0][0] for result in db.scatter(sql)) == len(TAILS)


def test_scatter_takes_parameters_and_refuses_what_it_cannot_restrict(db: ShardedDatabase) -> None:
    db.execute("INSERT INTO planes VALUES ('A', 9)", key="A")
    rows = [row for result in db.scatter("SELECT %s || tailnum FROM planes", ("100% ",)) for row in result.rows]
    assert rows == [("100% A",)]
    with pytest.raises(caisson.ConfigurationError, match=r"not public\.planes"):
        db.scatter("SELECT * FROM public.planes")
    with pytest.raises(caisson.ConfigurationError, match="tables="):
        db.scatter("SELECT 1")
    assert [result.rows for result in db.scatter("SELECT 1", tables=[])] == [[(1,)], [(1,)]]


def test_plans_that_the_application_throws_away_are_made_again(db: ShardedDatabase) -> None:
    db.execute("INSERT INTO planes VALUES ('A', 4)", key="A")
    for _ in range(5):
        assert db.fetch("SELECT seats FROM planes WHERE tailnum = 'A'", key="A") == [(4,)]
        assert db.execute("UPDATE planes SET seats = 4 WHERE tailnum = 'A'", key="A").rowcount == 1
        db.run("A", lambda tx: tx.execute("DEALLOCATE ALL"))


def test_a_copy_is_refused_where_it_cannot_be_served(db: ShardedDatabase) -> None:
    for sql in ("COPY (SELECT 1) TO STDOUT", "COPY planes FROM STDIN"):
        with pytest.raises(caisson.ConfigurationError, match="load"):
            db.execute(sql, key="A")
    assert db.execute("INSERT INTO planes VALUES ('A', 4)", key="A").rowcount == 1


def owner(db: ShardedDatabase, tail: str) -> str:
    table = db.shard_map.table("planes")
    bucket = db.shard_map.bucket(table, tail)
    assert 0 <= bucket < BUCKETS
    return db.shard_map.placements["aircraft", bucket].shard
