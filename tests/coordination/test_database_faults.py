"""The lock store on real PostgreSQL servers when something breaks."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest

from caisson.errors import ConfigurationError, EpochNotRaised, LeaseTooShort, StoreUnavailable
from caisson.locks.store import Claim, LockStore, split_token
from coordination import lock_holder
from coordination.lock_contract import A, Waiters, owner, take, until
from coordination.opening import open_database
from coordination.processes import read_line, running, stopped
from postgres.clusters import Cluster, running_clusters, running_standby

WORKERS, STEPS = 4, 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    with ThreadPoolExecutor(64) as pool:
        yield Waiters(pool)


def read(file: Path) -> int:
    return int(file.read_text())


def take_soon(store: LockStore, claim: Claim = A) -> int:
    """The token of a grant, however long the server takes to answer."""
    found: list[int] = []

    def is_taken() -> bool:
        try:
            grant = store.wait(claim, owner(), time.monotonic() + 5)
        except StoreUnavailable:
            return False
        found.extend([grant.token] if grant else [])
        return bool(found)

    until(is_taken)
    return found[0]


def test_no_step_is_lost_while_the_server_crashes_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "counter"
    file.write_text("0")
    with running_clusters(1) as (cluster,), ExitStack() as stack:
        arguments = ("database", cluster.dsn(), "tests/counting", 6, file, STEPS)
        workers = [stack.enter_context(running("lock_child", *arguments)) for _ in range(WORKERS)]
        for goal in (WORKERS * STEPS // 4, WORKERS * STEPS // 2):
            until(lambda goal=goal: read(file) >= goal)  # type: ignore[misc]
            cluster.restart_immediate()
        assert [worker.wait(120) for worker in workers] == [0] * WORKERS
    assert read(file) == WORKERS * STEPS


def test_a_holder_that_was_stopped_past_its_lease_has_lost_the_lock(cluster: Cluster) -> None:
    store = open_database(cluster.dsn(), "tests/stopped", 4.0)
    with running("lock_holder", "database", cluster.dsn(), "tests/stopped", 4.0) as holder:
        token = int(read_line(holder))
        with stopped([holder]):
            grant = lock_holder.take(store)
        assert grant.token > token
        assert read_line(holder) == "lost"
    store.close()


def test_fifty_waiters_that_died_cost_one_lease_together(cluster: Cluster, waiters: Waiters) -> None:
    lease, space = 3.0, "tests/dead"
    store, doomed = open_database(cluster.dsn(), space, lease), open_database(cluster.dsn(), space, lease)
    held = take(store)
    queue = [waiters.join_queue(doomed) for _ in range(50)]
    doomed._leave_quietly = lambda claim, owner: None  # type: ignore[method-assign]
    mine = owner()
    alive = waiters.join_queue(store, A, mine)
    doomed.close()
    assert all(isinstance(future.exception(60), StoreUnavailable) for future in queue)
    before = read_ends(cluster, space)
    store.release(held)
    # Who is let in is not given more time by it: the times of those who died end together, whoever of them is let in.
    assert all(end == before[each] for each, end in read_ends(cluster, space).items() if each != mine)
    assert alive.result(60) is not None
    store.close()


def read_ends(cluster: Cluster, space: str) -> dict[str, datetime]:
    with cluster.connect() as connection:
        rows = connection.execute("SELECT owner, expires_at FROM caisson.lock_claim WHERE space = %s", (space,))
        return dict(rows.fetchall())


def test_a_lock_that_was_granted_by_a_lost_answer_is_found_by_its_owner(cluster: Cluster) -> None:
    store, mine = open_database(cluster.dsn(), "tests/lost", 60.0), owner()
    first, second = store.try_acquire(A, mine), store.try_acquire(A, mine)
    assert first is not None
    assert second is not None
    assert first.token == second.token
    store.close()


def test_a_server_that_hangs_is_waited_for_no_longer_than_a_part_of_the_lease(cluster: Cluster) -> None:
    store = open_database(cluster.dsn(), "tests/hangs", 2.0)
    grant = take(store)
    children = cluster.processes
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            store.renew([grant])
    finally:
        for pid in children:
            os.kill(pid, signal.SIGCONT)
    store.close()


def test_tokens_rise_over_a_failover_that_has_lost_commits() -> None:
    with running_clusters(1, {"fsync": "off"}) as (primary,), running_standby(primary) as standby:
        before, counters = lose_grants_in_a_failover(primary, standby)
        after = open_database(standby.dsn(), "tests/failover", 6.0)
        token = take_soon(after)
        assert token > before
        after.close()
    # The control: without the timeline the same counter is given twice.
    assert split_token(token)[1] <= counters


def lose_grants_in_a_failover(primary: Cluster, standby: Cluster) -> tuple[int, int]:
    """The last token that the old primary gave, and its counter."""
    store = open_database(primary.dsn(), "tests/failover", 6.0)
    store.release(take(store))
    with primary.connect() as connection, standby.connect() as other:
        until(lambda: standby_has(other, 1))
        other.execute("SELECT pg_wal_replay_pause()")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        stop_receiving(other)
    tokens = []
    for _ in range(5):
        grant = take(store)
        tokens.append(grant.token)
        store.release(grant)
    store.close()
    primary.kill9()
    with standby.connect() as other:
        other.execute("SELECT pg_wal_replay_resume()")
        assert other.execute("SELECT pg_promote()").fetchone() == (True,)
    return tokens[-1], split_token(tokens[-1])[1]


def standby_has(connection: psycopg.Connection, counter: int) -> bool:
    (there,) = connection.execute("SELECT to_regclass('caisson.lock_name') IS NOT NULL").fetchone() or (False,)
    return bool(there) and connection.execute("SELECT counter FROM caisson.lock_name").fetchall() == [(counter,)]


def stop_receiving(connection: psycopg.Connection) -> None:
    connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
    connection.execute("SELECT pg_reload_conf()")


def test_a_dump_that_was_restored_elsewhere_lifts_its_tokens(cluster: Cluster) -> None:
    store = open_database(cluster.dsn(), "tests/restored", 6.0)
    before = take(store).token
    with cluster.connect() as connection:
        connection.execute("UPDATE caisson.lock_space SET system = 1 WHERE space = 'tests/restored'")
        connection.execute("UPDATE caisson.lock_name SET counter = 0 WHERE space = 'tests/restored'")
    assert take(store, Claim("b")).token > before
    store.close()


def test_a_managed_space_grants_nothing_where_its_epoch_was_not_raised(cluster: Cluster) -> None:
    open_database(cluster.dsn(), "tests/first", 6.0).read_state()
    store = open_database(cluster.dsn(), "tests/managed", 6.0, is_managed=True)
    with pytest.raises(EpochNotRaised):
        store.try_acquire(A, owner())
    with cluster.connect() as connection:
        connection.execute("SELECT caisson.lock_open('tests/managed', true, 7)")
        before = take(store)
        connection.execute("UPDATE caisson.lock_space SET system = 1 WHERE space = 'tests/managed'")
    with pytest.raises(EpochNotRaised):
        store.try_acquire(Claim("b"), owner())
    with cluster.connect() as connection:
        connection.execute("SELECT caisson.lock_open('tests/managed', true, 0)")
    assert take(store, Claim("b")).token > before.token
    store.close()


def test_the_table_itself_refuses_a_second_exclusive_holder(cluster: Cluster) -> None:
    store = open_database(cluster.dsn(), "tests/unique", 6.0)
    take(store)
    with cluster.connect() as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO caisson.lock_claim (space, name, owner, mode, permits, channel, token, expires_at) "
            "VALUES ('tests/unique', 'a', 'another', 'exclusive', 1, 'none', 99, now())"
        )
    store.close()


def test_who_may_not_make_the_tables_is_told(cluster: Cluster) -> None:
    with cluster.connect(dbname="postgres") as connection:
        connection.execute("CREATE DATABASE locked")
    store = open_database(cluster.dsn("locked", "caisson_app"), "tests/poor", 6.0)
    with pytest.raises(ConfigurationError, match="needs CREATE on the database"):
        store.try_acquire(A, owner())
    store.close()


def test_a_lease_that_is_too_short_is_refused(cluster: Cluster) -> None:
    with pytest.raises(LeaseTooShort):
        open_database(cluster.dsn(), "tests/short", 0.1)


def test_the_operator_and_the_sdk_have_the_same_tables() -> None:
    root = Path(__file__).parents[2]
    theirs = root / "operator/caisson_operator/effects/postgres/locks.sql"
    assert theirs.read_text() == (root / "workloads/sdk/caisson/locks/database/locks.sql").read_text()


def test_a_notification_that_comes_late_is_not_taken_for_a_grant(cluster: Cluster, waiters: Waiters) -> None:
    """As when a waiter was let in, ran out of time without hearing of it, and has joined the queue again."""
    space = "tests/late"
    store, other, mine = open_database(cluster.dsn(), space, 60.0), open_database(cluster.dsn(), space, 60.0), owner()
    before = take(store)
    store.release(before)
    held = take(store)
    waiter = waiters.join_queue(other, A, mine)
    until(other._wakeups.is_listening.is_set)

    def has_asked_since(signs: datetime) -> bool:
        return read_ends(cluster, space)[mine] != signs

    for late in (before, held):
        signs = read_ends(cluster, space)[mine]
        with cluster.connect() as connection:
            connection.execute("SELECT pg_notify(%s, %s)", (other._channel, f"{late.token} {mine}"))
        until(partial(has_asked_since, signs))  # it has heard
    assert not waiter.done()
    store.release(held)
    grant = waiter.result(60)
    assert grant is not None
    assert grant.token > held.token
    store.close()
    other.close()
