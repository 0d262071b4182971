"""A lock store on a Redis that fails over, restarts, forgets, hangs, or has never seen an agent."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest

import caisson
from caisson.errors import ConfigurationError, EpochNotRaised, StoreUnavailable
from caisson.locks import redis_scripts
from caisson.locks.policy import Policy
from caisson.locks.redis_dialing import dial_primary, read_binding, read_url
from caisson.locks.redis_link import Link
from caisson.locks.redis_scripts import Script
from caisson.locks.redis_store import RedisStore, patience_seconds
from coordination.lock_contract import FAR, A, Waiters, owner, soon, take, until
from coordination.redis import Server, running_redis, running_replica, running_sentinel, wait_until_linked
from coordination.test_redis_store import open_redis_store
from fakes.certificates import new_authority, write_certificate
from ports import free_port

POLICY = Policy("demo/jobs", FAR)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may break."""
    with running_redis() as server:
        server.raise_epoch(1)
        yield server


@contextmanager
def opened(server: Server, policy: Policy = POLICY, *, is_managed: bool = True) -> Iterator[RedisStore]:
    store = open_redis_store(server, policy, is_managed=is_managed)
    try:
        yield store
    finally:
        store.close()


def cycle(store: RedisStore) -> int:
    """Acquire and release once the store serves: the token."""
    grant = store.wait(A, owner(), soon())
    assert grant is not None
    store.release(grant)
    return grant.token


def test_a_server_that_was_started_again_grants_nothing_until_its_epoch_is_raised(own_server: Server) -> None:
    with opened(own_server) as store:
        before = cycle(store)
        own_server.stop()
        own_server.start()
        with pytest.raises(EpochNotRaised, match="not raised since") as caught:
            store.try_acquire(A, owner())
        assert caught.value.is_safe_to_retry
        own_server.raise_epoch(2)
        assert cycle(store) > before


def test_a_waiter_outlasts_a_restart_and_is_granted_once_the_epoch_is_raised(
    own_server: Server, waiters: Waiters
) -> None:
    with opened(own_server) as store, opened(own_server) as other:
        held = take(store)
        waiter = waiters.join_queue(other)
        own_server.kill()
        own_server.start()
        own_server.raise_epoch(2)
        until(lambda: store.release(held))
        grant = waiter.result(FAR)
        assert grant is not None
        assert grant.token > held.token


def test_a_lock_that_was_written_down_is_still_held_after_a_restart(own_server: Server) -> None:
    with opened(own_server) as store, opened(own_server) as other:
        held = take(store)
        own_server.stop()
        own_server.start()
        own_server.raise_epoch(2)
        assert store.renew([held]) == [True]
        assert other.try_acquire(A, owner()) is None


def test_a_promoted_replica_grants_nothing_until_its_epoch_is_raised(own_server: Server) -> None:
    with running_replica(own_server) as replica, opened(own_server) as store, opened(replica) as after:
        own_server.raise_epoch(2)  # its first replica has given it another replication id
        before = cycle(store)
        own_server.kill()
        replica.promote()
        with pytest.raises(EpochNotRaised):
            after.try_acquire(A, owner())
        replica.raise_epoch(3)
        assert cycle(after) > before


def test_a_replica_is_no_place_for_locks(own_server: Server) -> None:
    with running_replica(own_server) as replica, opened(replica) as store, pytest.raises(StoreUnavailable) as caught:
        store.try_acquire(A, owner())
    assert "read only" in str(caught.value)


def forget(server: Server, backup: Path, store: RedisStore) -> list[int]:
    """Tokens before a backup, after it, after the server went back to it, and after it lost everything."""
    tokens = [cycle(store)]
    server.save_to(backup)
    server.raise_epoch(2)
    tokens += [cycle(store) for _ in range(3)]
    server.stop()
    server.restore_from(backup)
    server.start()
    server.raise_epoch(3)
    tokens.append(cycle(store))
    server.stop()
    server.wipe()
    server.start()
    server.raise_epoch(4)
    return [*tokens, cycle(store)]


def test_tokens_do_not_go_back_when_the_store_is_restored_or_wiped(own_server: Server, tmp_path: Path) -> None:
    with opened(own_server) as store:
        tokens = forget(own_server, tmp_path / "backup", store)
    assert tokens == sorted(set(tokens))


def test_a_control_that_counts_without_an_epoch_goes_back(
    own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    careless = redis_scripts.TRY_ACQUIRE.text, redis_scripts.JOIN.text
    old = b"local function not_raised()"
    new = b"local raised_epoch = function() return '0' end\n" + old
    for name, text in zip(("TRY_ACQUIRE", "JOIN"), careless, strict=True):
        monkeypatch.setattr(redis_scripts, name, Script(text.replace(old, new)))
    with opened(own_server) as store:
        tokens = forget(own_server, tmp_path / "backup", store)
    assert tokens != sorted(set(tokens))


def test_without_an_agent_a_client_raises_the_epoch_itself(own_server: Server) -> None:
    with opened(own_server, is_managed=False) as store:
        tokens = [cycle(store)]
        own_server.stop()
        own_server.start()
        tokens.append(cycle(store))
    assert tokens == sorted(set(tokens))


def test_clients_that_raise_the_epoch_at_once_raise_it_once(own_server: Server, waiters: Waiters) -> None:
    own_server.stop()
    own_server.start()
    with opened(own_server, is_managed=False) as store, opened(own_server, is_managed=False) as other:
        first, second = take(store), waiters.join_queue(other)
        assert store.read_state().epoch == other.read_state().epoch
        store.release(first)
        assert second.result(FAR) is not None


def test_scripts_are_sent_again_to_a_server_that_has_forgotten_them(own_server: Server) -> None:
    with opened(own_server) as store:
        cycle(store)
        own_server.connect().script_flush()
        held = take(store)
        assert store.renew([held]) == [True]


def test_a_server_that_hangs_is_reported_in_time_and_used_again_afterwards(own_server: Server) -> None:
    with opened(own_server, Policy("a", 1.0)) as store:
        own_server.pause()
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            store.try_acquire(A, owner())
        own_server.resume()
        cycle(store)


def test_a_server_that_is_gone_is_reported_and_found_again(own_server: Server) -> None:
    with opened(own_server, Policy("a", 1.0)) as store:
        cycle(store)
        own_server.kill()
        for ask in (
            lambda: store.try_acquire(A, owner()),
            store.read_state,
            lambda: store.wait(A, owner(), time.monotonic() + 0.2),
        ):
            with pytest.raises(StoreUnavailable):
                ask()
        own_server.start()
        own_server.raise_epoch(2)
        cycle(store)


def test_a_wrong_password_is_an_error_of_the_configuration_and_is_not_told() -> None:
    with running_redis({"requirepass": "right"}) as server:
        dial = dial_primary(lambda: read_url(f"redis://:wrong-secret@127.0.0.1:{server.port}"), 5.0)
        with pytest.raises(ConfigurationError) as caught:
            RedisStore(Link(dial), POLICY).try_acquire(A, owner())
    assert "wrong-secret" not in str(caught.value)


def test_the_rights_of_an_application_in_a_managed_redis_are_enough() -> None:
    rights = "on >secret ~* &* +@all -@admin -@dangerous +info +role"
    with running_redis({"user": f"caisson {rights}"}) as server:
        server.raise_epoch(1)
        url = f"redis://caisson:secret@127.0.0.1:{server.port}"
        with caisson.DistributedLock.connect(url=url) as locks, locks.lock("a").hold(timeout=FAR):
            with pytest.raises(caisson.LockTimeout):
                locks.semaphore("b", 1).hold(), locks.semaphore("b", 1).hold(timeout=0.05)
            assert {lock.name for lock in locks.read_state().locks} == {"a", "b"}


def test_a_server_is_verified_in_full_where_the_binding_has_an_authority(tmp_path: Path) -> None:
    authority, another = new_authority(), new_authority()
    files = write_certificate(tmp_path, ("localhost",), authority)
    tls = {"tls-port": str(free_port()), "tls-auth-clients": "no", "tls-ca-cert-file": str(files.certificate)}
    tls |= {"tls-cert-file": str(files.certificate), "tls-key-file": str(files.key)}
    with running_redis(tls) as server:
        server.raise_epoch(1)
        for number, (host, trusted, is_let_in) in enumerate(
            [("localhost", authority, True), ("localhost", another, False), ("127.0.0.1", authority, False)]
        ):
            binding = tmp_path / str(number)
            binding.mkdir()
            (binding / "host").write_text(host)
            (binding / "port").write_text(tls["tls-port"])
            (binding / "ca.crt").write_text(trusted.certificate)
            store = RedisStore(Link(dial_primary(lambda binding=binding: read_binding(binding), 5.0)), POLICY)  # type: ignore[misc]
            if is_let_in:
                cycle(store)
            else:
                with pytest.raises(StoreUnavailable, match="certificate verify failed"):
                    store.try_acquire(A, owner())
            store.close()


def waiting_processes(server: Server, count: int, lease: float = FAR) -> list["subprocess.Popen[bytes]"]:
    """Processes that wait in the queue, one behind the other."""
    program = (
        "import sys, caisson; locks = caisson.DistributedLock.connect(url=sys.argv[1], space='demo/jobs', "
        "lease=float(sys.argv[2])); [__import__('threading').Thread(target=locks.lock('a').hold).start() for _ in range(10)]"
    )
    command = [sys.executable, "-c", program, server.url, str(lease)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return [subprocess.Popen(command, env=environment) for _ in range(count // 10)]


def test_fifty_dead_waiters_are_passed_over_at_once(own_server: Server, waiters: Waiters) -> None:
    """Nobody waits for the lease of a minute: their connections are gone."""
    with opened(own_server) as store, opened(own_server) as other:
        held = take(store)
        dead = waiting_processes(own_server, 50)
        until(lambda: len(store.read_state().locks[0].waiting) == 50)
        living = waiters.join_queue(other)
        for process in dead:
            process.kill()
            process.wait()
        until(lambda: len(own_server.connect().client_list(_type="pubsub")) == 1)
        store.release(held)
        grant = living.result(FAR / 2)
        assert grant is not None
        assert other.renew([grant]) == [True]


def test_stopped_waiters_cost_one_lease_together(own_server: Server, waiters: Waiters) -> None:
    """They hear, and do not answer. Each may live for a lease after it was stopped, all at the same time: a lease each would
    take longer than is waited for here."""
    lease, count = 5.0, 20
    assert count * lease > FAR
    with (
        caisson.DistributedLock.connect(url=own_server.url, space="demo/jobs", lease=lease) as locks,
        opened(own_server, Policy("demo/jobs", lease)) as other,
        opened(own_server) as observer,
    ):
        held = locks.lock("a").hold()
        stopped = waiting_processes(own_server, count, lease)
        until(lambda: len(observer.read_state().locks[0].waiting) == count)
        living = waiters.join_queue(other)
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        held.release()
        granted = living.result(FAR)
        for process in stopped:
            process.kill()
            process.wait()
    assert granted is not None
    assert granted.token > held.token


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    with ThreadPoolExecutor(8) as pool:
        yield Waiters(pool)


def test_after_a_failover_by_sentinel_clients_find_the_new_primary(tmp_path: Path) -> None:
    with ExitStack() as stack:
        primary = stack.enter_context(running_redis())
        replica = stack.enter_context(running_replica(primary))
        primary.raise_epoch(1)
        sentinel = stack.enter_context(running_sentinel(primary, "locks"))
        until(lambda: len(sentinel.connect().sentinel_slaves("locks")) == 1)
        entries = {"host": "127.0.0.1", "port": str(primary.port), "master": "locks"}
        entries["sentinels"] = f'[{{"host": "127.0.0.1", "port": {sentinel.port}}}]'
        for key, value in entries.items():
            (tmp_path / key).write_text(value)
        dial = dial_primary(lambda: read_binding(tmp_path), patience_seconds(FAR))
        store = RedisStore(Link(dial), POLICY)
        stack.callback(store.close)
        before = cycle(store)
        wait_until_linked(replica)
        primary.kill()
        until(lambda: replica.connect().info("replication")["role"] == "master")
        replica.raise_epoch(2)
        assert cycle(store) > before


def test_a_client_survives_a_failover_while_it_holds(own_server: Server) -> None:
    """Its hold is as good as what the server remembers; it is told if that is nothing."""
    with caisson.DistributedLock.connect(url=own_server.url, lease=1.0) as locks:
        lost: list[caisson.Held] = []
        held = locks.lock("a").hold(on_lost=lost.append)
        own_server.stop()
        own_server.wipe()
        own_server.start()
        own_server.raise_epoch(2)
        until(lambda: lost == [held])
        assert locks.lock("b").hold(timeout=FAR).token > held.token


@contextmanager
def hanging_up() -> Iterator[tuple[int, list[object]]]:
    """A port at which every connection ends at once, and those that came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_sentinel_that_is_away_is_asked_once_before_the_next(tmp_path: Path) -> None:
    with running_redis() as primary, running_sentinel(primary, "cache") as sentinel, hanging_up() as (port, came):
        places = [{"host": "127.0.0.1", "port": each} for each in (port, sentinel.port)]
        entries = {"host": "127.0.0.1", "port": "1", "sentinels": json.dumps(places), "master": "cache"}
        for name, value in entries.items():
            (tmp_path / name).write_text(value)
        assert dial_primary(lambda: read_binding(tmp_path), 5.0)().port == primary.port
        assert len(came) == 1
