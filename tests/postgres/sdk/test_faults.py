"""The SDK when servers die, hang, restart, cut off a commit, or refuse a password."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

import caisson
from caisson import ShardedDatabase, Transaction
from postgres.clusters import Cluster, running_clusters, running_standby

from .shards import Shards

T = TypeVar("T")
THREADS = ThreadPoolExecutor(16)
INSERT = "INSERT INTO flights VALUES ('A', %s, 'x')"
COUNT = "SELECT count(*) FROM flights WHERE tailnum = 'A' AND id = %s"


@pytest.fixture(scope="module")
def shards() -> Iterator[Shards]:
    with running_clusters(1, {"fsync": "off"}) as clusters:
        shards = Shards(clusters)
        shards.install(lambda group, bucket: 0)
        yield shards


@pytest.fixture
def cluster(shards: Shards) -> Cluster:
    cluster = shards.clusters[0]
    with cluster.connect() as connection:
        connection.execute("DELETE FROM flights; DELETE FROM planes; DELETE FROM caisson.idempotency_aircraft")
    return cluster


@pytest.fixture
def db(shards: Shards, cluster: Cluster) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=15) as database:
        yield database


def count(cluster: Cluster, number: int) -> int:
    with cluster.connect() as connection:
        row = connection.execute(COUNT, (number,)).fetchone()
    assert row is not None
    return int(row[0])


def statements_like(cluster: Cluster, text: str) -> list[int]:
    with cluster.connect() as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'caisson_app' AND state = 'active' AND query LIKE %s",
            (f"%{text}%",),
        )
        return [pid for (pid,) in found]


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def background(call: Callable[[], T]) -> Future[T]:
    """The call, in another thread."""
    return THREADS.submit(call)


def error_of(call: Future[T]) -> BaseException | None:
    return call.exception(30)


SLOW = "INSERT INTO flights SELECT 'A', %s, 'x' FROM pg_sleep(1)"


def test_a_primary_killed_under_a_statement_leaves_its_outcome_unknown(db: ShardedDatabase, cluster: Cluster) -> None:
    call = background(lambda: db.execute(SLOW, (1,), key="A"))
    wait_until(lambda: statements_like(cluster, "pg_sleep"))
    cluster.kill9()
    error = error_of(call)
    assert isinstance(error, caisson.OutcomeUnknown)
    assert not error.is_safe_to_retry
    cluster.start()
    assert count(cluster, 1) == 0


def test_with_an_idempotency_key_it_is_done_exactly_once(db: ShardedDatabase, cluster: Cluster) -> None:
    call = background(lambda: db.execute(SLOW, (2,), key="A", idempotency_key="k"))
    wait_until(lambda: statements_like(cluster, "pg_sleep"))
    cluster.kill9()
    cluster.start()
    assert error_of(call) is None
    assert count(cluster, 2) == 1


def test_kills_under_load_lose_and_double_nothing_with_keys(db: ShardedDatabase, cluster: Cluster) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()

    def write(first: int) -> None:
        number = first
        while not stop.is_set():
            number += 10
            db.execute(INSERT, (number,), key="A", idempotency_key=str(number))
            acknowledged.append(number)

    writers = [background(lambda first=first: write(1000 + first)) for first in range(4)]  # type: ignore[misc]
    for _ in range(3):
        before = len(acknowledged)
        wait_until(lambda before=before: len(acknowledged) > before + 50)  # type: ignore[misc]
        cluster.kill9()
        cluster.start()
    stop.set()
    assert [error_of(writer) for writer in writers] == [None] * 4
    with cluster.connect() as connection:
        there = [number for (number,) in connection.execute("SELECT id FROM flights WHERE id > 1000")]
    assert sorted(there) == sorted(acknowledged)


def test_a_load_through_a_kill_copies_every_row_once(db: ShardedDatabase, cluster: Cluster) -> None:
    rows = ((f"N{number % 500}", number) for number in range(60_000))
    done: list[int] = []
    loading = background(lambda: db.load("flights", ["tailnum", "id"], rows, key="tailnum", progress=done.append))
    for batches in (1, 3):
        wait_until(lambda batches=batches: len(done) >= batches)  # type: ignore[misc]
        cluster.kill9()
        cluster.start()
    assert loading.result(60) == 60_000
    with cluster.connect() as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT (tailnum, id)) FROM flights").fetchone()
    assert found == (60_000, 60_000)


def test_a_run_that_loses_its_server_before_commit_is_called_again(db: ShardedDatabase, cluster: Cluster) -> None:
    calls: list[int] = []

    def work(tx: Transaction) -> int:
        calls.append(1)
        rowcount = tx.execute(INSERT, (3,)).rowcount
        if len(calls) == 1:
            cluster.kill9()
            cluster.start()
        return rowcount + tx.execute("SELECT 1").rowcount

    assert db.run("A", work) == 2
    assert len(calls) == 2
    assert count(cluster, 3) == 1


def test_an_idle_connection_whose_server_restarted_leaves_nothing_unknown(
    db: ShardedDatabase, cluster: Cluster
) -> None:
    db.execute(INSERT, (4,), key="A")
    cluster.restart_immediate()
    db.execute(INSERT, (5,), key="A")
    assert count(cluster, 5) == 1


def test_without_a_primary_the_deadline_passes_and_nothing_was_done(db: ShardedDatabase, cluster: Cluster) -> None:
    cluster.stop("immediate")
    with pytest.raises(caisson.NoPrimary) as raised:
        db.execute(INSERT, (6,), key="A", timeout=1)
    assert raised.value.is_safe_to_retry
    with pytest.raises(caisson.ScatterIncomplete):
        db.scatter("SELECT count(*) FROM flights", timeout=1)
    with pytest.raises(caisson.NoPrimary):
        ShardedDatabase.connect(dsn=cluster.dsn(user="caisson_app"), timeout=1)
    returns = background(lambda: db.execute(INSERT, (6,), key="A"))
    cluster.start()
    assert error_of(returns) is None
    assert count(cluster, 6) == 1


def test_a_hung_server_is_given_up_early_where_the_statement_may_be_repeated(
    db: ShardedDatabase, cluster: Cluster
) -> None:
    call = background(lambda: db.execute(SLOW, (13,), key="A", timeout=6, idempotency_key="k13"))
    wait_until(lambda: statements_like(cluster, "pg_sleep"))
    (backend,) = statements_like(cluster, "pg_sleep")
    os.kill(backend, signal.SIGSTOP)
    try:
        assert error_of(call) is None
    finally:
        os.kill(backend, signal.SIGCONT)
    wait_until(lambda: not statements_like(cluster, "pg_sleep"))
    assert count(cluster, 13) == 1


def test_a_server_that_is_no_shard_is_told(cluster: Cluster) -> None:
    with pytest.raises(caisson.NoPrimary, match="no shard of a ShardedDatabase"):
        ShardedDatabase.connect(dsn=cluster.dsn("postgres", "caisson_app"), timeout=0.5)


def test_a_terminated_backend_is_unknown_without_a_key_and_retried_with_one(
    db: ShardedDatabase, cluster: Cluster
) -> None:
    for number, key in ((7, None), (8, "k8")):
        call = background(lambda: db.execute(SLOW, (number,), key="A", idempotency_key=key))  # noqa: B023
        wait_until(lambda: statements_like(cluster, "pg_sleep"))
        with cluster.connect() as connection:
            for pid in statements_like(cluster, "pg_sleep"):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        error = error_of(call)
        assert isinstance(error, caisson.OutcomeUnknown) if key is None else error is None
    assert (count(cluster, 7), count(cluster, 8)) == (0, 1)


def test_a_hung_server_is_left_at_the_deadline(db: ShardedDatabase, cluster: Cluster) -> None:
    call = background(lambda: db.execute(SLOW, (9,), key="A", timeout=2))
    wait_until(lambda: statements_like(cluster, "pg_sleep"))
    (backend,) = statements_like(cluster, "pg_sleep")
    os.kill(backend, signal.SIGSTOP)
    try:
        assert isinstance(error_of(call), caisson.OutcomeUnknown)
        assert db.execute(INSERT, (10,), key="A").rowcount == 1
    finally:
        os.kill(backend, signal.SIGCONT)


def test_a_commit_cut_off_from_its_standby_is_never_a_success(db: ShardedDatabase, cluster: Cluster) -> None:
    """Cancelled while it waits, the server answers INSERT 0 1 and COMMIT with only a WARNING."""
    with cluster.connect() as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            unknown = background(lambda: db.execute(INSERT, (11,), key="A"))
            keyed = background(lambda: db.execute(INSERT, (12,), key="A", idempotency_key="k12"))
            wait_until(lambda: len(waiting_for_standby(connection)) == 2)
            for pid in waiting_for_standby(connection):
                connection.execute("SELECT pg_cancel_backend(%s)", (pid,))
            assert isinstance(error_of(unknown), caisson.OutcomeUnknown)
            # Its retry finds the row of the first attempt, which no standby has: it waits too, instead of believing it.
            wait_until(lambda: len(waiting_for_standby(connection)) == 1)
            assert not keyed.done()
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
        assert error_of(keyed) is None
    assert (count(cluster, 11), count(cluster, 12)) == (1, 1)


def waiting_for_standby(connection: psycopg.Connection) -> list[int]:
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'caisson_app'"
    )
    return [pid for (pid,) in found]


def test_deadlocks_are_retried(db: ShardedDatabase, cluster: Cluster) -> None:
    db.execute(INSERT, (20,), key="A")
    db.execute(INSERT, (21,), key="A")
    both = threading.Barrier(2)

    def work(tx: Transaction, first: int, second: int) -> int:
        done = tx.execute("UPDATE flights SET n = n + 1 WHERE tailnum = 'A' AND id = %s", (first,)).rowcount
        if not both.broken:
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            both.abort()
        return done + tx.execute("UPDATE flights SET n = n + 1 WHERE tailnum = 'A' AND id = %s", (second,)).rowcount

    calls = [
        background(lambda: db.run("A", lambda tx: work(tx, 20, 21))),
        background(lambda: db.run("A", lambda tx: work(tx, 21, 20))),
    ]
    assert [call.result(30) for call in calls] == [2, 2]
    assert db.fetch("SELECT n FROM flights WHERE tailnum = 'A' AND id IN (20, 21)", key="A") == [(2,), (2,)]


def test_closing_ends_every_thread_and_connection(shards: Shards, cluster: Cluster) -> None:
    with ShardedDatabase.connect(dsn=shards.dsn()) as database:
        database.fetch("SELECT 1", key="A")
        assert listeners() != []
    assert listeners() == []
    database.close()  # once more does no harm
    with cluster.connect() as connection:
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'caisson'"
        wait_until(lambda: connection.execute(left).fetchone() == (0,))


def listeners() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("caisson-map")]


def test_a_new_password_is_read_from_the_mount_when_the_old_is_refused(
    shards: Shards, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path / "flights"
    write_binding(mount, cluster, "first")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path))
    with password_demanded(cluster, "first"), ShardedDatabase.connect("flights", timeout=10) as database:
        database.execute(INSERT, (30,), key="A")
        with cluster.connect() as connection:
            connection.execute("ALTER ROLE caisson_app PASSWORD 'second'")
        write_binding(mount, cluster, "second")
        cluster.restart_immediate()
        database.execute(INSERT, (31,), key="A")
    assert count(cluster, 31) == 1


def write_binding(mount: Path, cluster: Cluster, password: str) -> None:
    mount.mkdir(exist_ok=True)
    entries = {"type": "postgresql", "host": "127.0.0.1", "port": str(cluster.port), "database": "app"}
    entries |= {"username": "caisson_app", "password": password}
    entries["shards"] = f'[{{"shard": "s0", "host": "127.0.0.1", "port": {cluster.port}}}]'
    for name, value in entries.items():
        (mount / name).write_text(value)


@contextmanager
def password_demanded(cluster: Cluster, password: str) -> Iterator[None]:
    """The server wants caisson_app's password for as long as this lasts."""
    hba = cluster.data / "pg_hba.conf"
    before = hba.read_text()
    with cluster.connect() as connection:
        connection.execute(f"ALTER ROLE caisson_app PASSWORD '{password}'".encode())
        hba.write_text(f"host all caisson_app 127.0.0.1/32 scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        hba.write_text(before)
        with cluster.connect() as connection:
            connection.execute("SELECT pg_reload_conf()")


def test_a_wrong_password_is_told_at_once(cluster: Cluster, tmp_path: Path) -> None:
    write_binding(tmp_path / "flights", cluster, "wrong")
    with password_demanded(cluster, "right"):
        with pytest.raises(caisson.ConfigurationError, match="password"):
            ShardedDatabase.connect(binding=tmp_path / "flights", timeout=60)
        with pytest.raises(caisson.ConfigurationError, match="password"):
            ShardedDatabase.connect(dsn=cluster.dsn(user="caisson_app", password="wrong"), timeout=60)


def test_a_standby_is_never_taken_for_a_primary(shards: Shards, cluster: Cluster) -> None:
    with running_standby(cluster) as standby, pytest.raises(caisson.NoPrimary, match="hot standby"):
        ShardedDatabase.connect(dsn=standby.dsn(user="caisson_app"), timeout=1)


def test_a_standby_that_takes_the_password_has_not_refused_it(shards: Shards, cluster: Cluster) -> None:
    """While a shard has no primary its name may lead to a standby: that is worth waiting for."""
    with (
        password_demanded(cluster, "right"),
        running_standby(cluster) as standby,
        pytest.raises(caisson.NoPrimary, match="hot standby"),
    ):
        ShardedDatabase.connect(dsn=standby.dsn(user="caisson_app", password="right"), timeout=1)
