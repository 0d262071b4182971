"""The lock store on real ZooKeeper ensembles when something breaks."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from caisson.errors import ConfigurationError, EpochNotRaised, LeaseTooShort, StoreUnavailable
from caisson.locks.store import Claim, Grant, Mode, split_token
from caisson.locks.zookeeper import Target, ZooKeeperStore
from caisson.locks.zookeeper.layout import Space
from caisson_operator.effects.locks.zookeeper import read_space
from coordination import lock_holder
from coordination.lock_child import replace
from coordination.lock_contract import A, Waiters, owner, take, until, waiting
from coordination.opening import read_target
from coordination.processes import read_line, running, stopped, write_line
from coordination.rival_stores import open_space
from coordination.zookeeper import Ensemble, running_ensemble
from coordination.zookeeper_tls import Identity

WORKERS, STEPS = 4, 40


@pytest.fixture
def three(identity: Identity) -> Iterator[Ensemble]:
    """Over TLS, as it is on a cluster: to clients and among the members."""
    with running_ensemble(3, tls=identity) as ensemble:
        yield ensemble


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    with ThreadPoolExecutor(64) as pool:
        yield Waiters(pool)


def open_store(target: str, lease_seconds: float = 6.0, space: str = "tests/faults") -> ZooKeeperStore:
    return ZooKeeperStore(read_target(target), space, lease_seconds, makes_space=True, start_seconds=30)


def count_under_the_lock(ensemble: Ensemble, file: Path, stack: ExitStack) -> list[subprocess.Popen[str]]:
    file.write_text("0")
    return [
        stack.enter_context(running("lock_child", "zookeeper", ensemble.target, "tests/counting", 6, file, STEPS))
        for _ in range(WORKERS)
    ]


def read(file: Path) -> int:
    return int(file.read_text())


def test_no_step_is_lost_without_fencing_while_leaders_are_killed(three: Ensemble, tmp_path: Path) -> None:
    file = tmp_path / "counter"
    with ExitStack() as stack:
        workers = count_under_the_lock(three, file, stack)
        for goal in (WORKERS * STEPS // 4, WORKERS * STEPS // 2):
            until(lambda goal=goal: read(file) >= goal)  # type: ignore[misc]
            leader = three.leader
            leader.kill()
            until(lambda goal=goal: read(file) >= goal + 5)  # type: ignore[misc]
            leader.start()
            three.wait_until_serving()
        assert [worker.wait(120) for worker in workers] == [0] * WORKERS
    assert read(file) == WORKERS * STEPS


def test_the_same_work_without_the_lock_loses_steps(tmp_path: Path) -> None:
    """The control: what the counting can tell."""
    file = tmp_path / "counter"
    file.write_text("0")
    code = (
        "import sys; from pathlib import Path; from coordination.lock_child import replace; f = Path(sys.argv[1])\n"
        "for _ in range(400): replace(f, int(f.read_text()) + 1)"
    )
    with ThreadPoolExecutor(WORKERS) as pool:
        work = [sys.executable, "-c", code, str(file)]
        environment = {"PYTHONPATH": ":".join(sys.path)}
        list(pool.map(lambda _: subprocess.run(work, check=True, env=environment), range(WORKERS)))
    assert read(file) < WORKERS * 400


def test_a_holder_that_was_stopped_past_its_session_has_lost_the_lock(zookeeper: Ensemble) -> None:
    space, store = "tests/stopped", open_store(zookeeper.hosts, 4.0, "tests/stopped")
    with running("lock_holder", "zookeeper", zookeeper.hosts, space, 4.0) as holder:
        token = int(read_line(holder))
        with stopped([holder]):
            grant = lock_holder.take(store)
        assert grant.token > token
        assert read_line(holder) == "lost"
        assert store.renew([grant]) == [True]
    store.close()


@pytest.mark.parametrize(("how", "said"), [("looks", "stopped"), ("blind", "wrote")])
def test_who_sleeps_past_its_session_must_look_before_it_acts(
    zookeeper: Ensemble, tmp_path: Path, how: str, said: str
) -> None:
    """The exception to exclusion without fences: what the blind one writes undoes the step that was made meanwhile."""
    file, space = tmp_path / "counter", f"tests/sleeper-{how}"
    file.write_text("0")
    store = open_store(zookeeper.hosts, 4.0, space)
    with running("lock_thinker", "zookeeper", zookeeper.hosts, space, 4.0, file, how) as thinker:
        assert read_line(thinker) == "read"
        with stopped([thinker]):
            grant = lock_holder.take(store)
            replace(file, read(file) + 1)
            store.release(grant)
        before = file.stat().st_ino
        write_line(thinker)
        assert read_line(thinker) == said
    assert read(file) == 1
    assert (file.stat().st_ino == before) == (how == "looks")
    store.close()


def test_a_holder_keeps_its_lock_when_the_server_it_talks_to_hangs(three: Ensemble) -> None:
    store = open_store(three.target, 20.0)
    grant = take(store)
    for server in three.servers:
        with server.stopped():
            until(lambda: is_renewed(store, grant))
    assert is_renewed(store, grant)
    store.close()


def is_renewed(store: ZooKeeperStore, grant: Grant) -> bool:
    """An ensemble whose leader hangs needs a moment to find another one; whether the lock was kept is what counts."""
    try:
        (is_held,) = store.renew([grant])
    except StoreUnavailable:
        return False
    assert is_held, "the lock was lost"
    return True


def test_fifty_waiters_that_died_cost_one_session_together(zookeeper: Ensemble, waiters: Waiters) -> None:
    store, space = open_store(zookeeper.hosts, 2.0, "tests/dead"), "tests/dead"
    held = take(store)
    doomed = [open_store(zookeeper.hosts, 2.0, space) for _ in range(10)]
    futures = [waiters.join_queue(each) for each in doomed for _ in range(5)]
    alive = waiters.join_queue(store)
    for each in doomed:
        each._standing.add("somebody")  # so that its session is not ended in order
        each.close()
    assert all(isinstance(future.exception(60), StoreUnavailable) for future in futures)
    store.release(held)
    grant = alive.result(60)
    assert grant is not None
    assert len(waiting(store)) == 0
    store.close()


def test_a_claim_that_was_given_up_while_no_server_answered_is_held_by_nobody_later() -> None:
    with running_ensemble() as ensemble:
        server, store = ensemble.servers[0], open_store(ensemble.hosts, 10.0)
        take(store, Claim("other"))
        with server.stopped(), pytest.raises(StoreUnavailable):
            store.wait(A, owner(), time.monotonic() + 0.2)
        until(lambda: take_or_none(store))
        store.close()


def take_or_none(store: ZooKeeperStore) -> bool:
    try:
        return store.try_acquire(A, owner()) is not None
    except StoreUnavailable:
        return False


def test_an_ensemble_that_lost_its_data_grants_nothing_before_its_epoch_is_raised() -> None:
    with running_ensemble() as ensemble:
        server = ensemble.servers[0]
        first = open_store(ensemble.hosts, 10.0)
        before = take(first).token
        first.close()
        wipe(ensemble)
        managed = ZooKeeperStore(Target(server.host), "tests/faults", 10.0, makes_space=False)
        with pytest.raises(EpochNotRaised):
            managed.try_acquire(A, owner())
        open_space(ensemble, "tests/faults", split_token(before)[0] + 1)
        assert take(managed).token > before
        managed.close()


def test_an_ensemble_that_lost_its_data_would_let_tokens_go_back() -> None:
    """The control: the same with a client that makes the space anew by itself."""
    with running_ensemble() as ensemble:
        first = open_store(ensemble.hosts, 10.0)
        for _ in range(20):
            first.release(take(first))
        before = take(first).token
        first.close()
        wipe(ensemble)
        second = open_store(ensemble.hosts, 10.0)
        assert take(second).token < before
        second.close()


def wipe(ensemble: Ensemble) -> None:
    for server in ensemble.servers:
        server.kill()
        server.wipe()
    ensemble.start()


def test_a_number_that_is_raised_counts_for_the_next_grant(zookeeper: Ensemble) -> None:
    store, space = open_store(zookeeper.hosts, 6.0, "tests/raised"), Space("tests/raised")
    before = take(store, Claim("b"))
    client = KazooClient(zookeeper.hosts)
    client.start()
    client.set(space.root, b"77")
    client.stop()
    until(lambda: split_token(take(store, Claim("c", Mode.SHARED)).token)[0] == split_token(before.token)[0] + 77)
    store.close()


def test_a_lease_that_the_ensemble_can_not_honour_is_refused(zookeeper: Ensemble) -> None:
    with pytest.raises(LeaseTooShort, match=r"no session shorter than 0\.2 s"):
        open_store(zookeeper.hosts, 0.1)


def test_an_ensemble_that_does_not_answer_is_told() -> None:
    with pytest.raises(StoreUnavailable):
        ZooKeeperStore(Target("127.0.0.1:1"), "tests/none", 6.0, makes_space=True, start_seconds=0.5)
    assert not issubclass(StoreUnavailable, ConfigurationError)


def test_an_ensemble_that_asks_who_one_is_lets_in_who_knows_the_password() -> None:
    pytest.importorskip("puresasl", reason="kazoo speaks SASL only with pure-sasl, which is not installed here")
    with running_ensemble(users={"caisson": "secret"}) as ensemble:
        target = Target(ensemble.hosts, "caisson", "secret")
        store = ZooKeeperStore(target, "tests/known", 6.0, makes_space=True, start_seconds=30)
        grant = take(store)
        assert store.release(grant)
        store.close()
        assert "secret" not in repr(target)
        seen = asyncio.run(
            read_space({"hosts": ensemble.hosts, "username": "caisson", "password": "secret"}, "tests/known")
        )
        assert (seen.is_open, seen.granted) == (True, 1)
        wrong = Target(ensemble.hosts, "caisson", "another")
        with pytest.raises(ConfigurationError, match="does not accept the username"):
            ZooKeeperStore(wrong, "tests/known", 6.0, makes_space=True, start_seconds=5)
