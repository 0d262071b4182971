"""The lock store on several independent Redis servers keeps the contract, and its tokens through whatever a minority does."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest

import caisson
from caisson.errors import ConfigurationError, EpochNotRaised, StoreUnavailable
from caisson.locks.policy import Policy
from caisson.locks.redis_dialing import dial_primary, read_url
from caisson.locks.redis_link import Link
from caisson.locks.redis_store import EPOCH_KEY, patience_seconds
from caisson.locks.redlock_nodes import Nodes
from caisson.locks.redlock_store import RedlockStore
from caisson.locks.store import Grant
from coordination.lock_contract import FAR, PERMIT_A, A, LockContract, OpenStore, Waiters, owner, soon, take, until
from coordination.redis import Server, running_redis

SERVERS = 3
REQUESTS_IN_VAIN = 100
"""Of one who waits for a second and tells every fifth of it that it lives, many; of one that wakes itself, few."""
_spaces = count()


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(running_redis()) for _ in range(SERVERS)]
        for server in servers:
            server.raise_epoch(1)
        yield servers


def open_redlock_store(servers: list[Server], policy: Policy) -> RedlockStore:
    patience = patience_seconds(policy.lease_seconds)
    links = [Link(dial_primary(lambda server=server: read_url(server.url), patience)) for server in servers]  # type: ignore[misc]
    return RedlockStore(Nodes(links, EPOCH_KEY, is_managed=True), policy)


@pytest.fixture
def open_store(servers: list[Server]) -> Iterator[OpenStore]:
    space = f"demo/jobs-{next(_spaces)}"
    with ExitStack() as stack:

        def open_one(lease_seconds: float = FAR, *, fair: bool = True) -> RedlockStore:
            store = open_redlock_store(servers, Policy(space, lease_seconds, fair))
            stack.callback(store.close)
            return store

        yield open_one


class TestRedlockStore(LockContract):
    """What asks for a queue or for permits is answered in Redlock's own way."""

    def test_waiters_are_granted_in_the_order_of_their_coming(self, open_store: OpenStore, waiters: Waiters) -> None:
        assert not open_store().is_fair

    def test_nobody_overtakes_a_waiter_where_the_space_is_fair(self, open_store: OpenStore, waiters: Waiters) -> None:
        assert not open_store().is_fair

    def test_a_reader_does_not_overtake_a_waiting_writer(self, open_store: OpenStore, waiters: Waiters) -> None:
        assert not open_store().is_fair

    def test_a_semaphore_grants_as_many_permits_as_it_has(self, open_store: OpenStore, waiters: Waiters) -> None:
        with pytest.raises(ConfigurationError, match="no semaphores"):
            open_store().try_acquire(PERMIT_A, owner())

    def test_a_semaphore_has_nothing_to_do_with_a_lock_of_its_name(self, open_store: OpenStore) -> None:
        with pytest.raises(ConfigurationError, match="no semaphores"):
            open_store().wait(PERMIT_A, owner(), soon())

    def test_who_leaves_the_queue_is_not_granted_the_lock(self, open_store: OpenStore, waiters: Waiters) -> None:
        """Nobody is granted anything in its absence, so who left simply does not ask."""
        store, gone = open_store(), owner()
        held = take(store)
        store.leave(A, gone)
        assert store.renew([held]) == [True]


def acquire(store: RedlockStore) -> Grant:
    """Try until a majority is there."""
    found: list[Grant] = []

    def is_granted() -> bool:
        with suppress(StoreUnavailable):
            grant = store.try_acquire(A, owner())
            found.extend([grant] if grant else [])
        return bool(found)

    until(is_granted)
    return found[0]


@pytest.fixture
def own_servers() -> Iterator[list[Server]]:
    """Servers that a test may break."""
    with ExitStack() as stack:
        servers = [stack.enter_context(running_redis()) for _ in range(SERVERS)]
        for server in servers:
            server.raise_epoch(1)
        yield servers


def test_a_minority_may_be_gone_or_hang(own_servers: list[Server]) -> None:
    store = open_redlock_store(own_servers, Policy("a", FAR))
    first = take(store)
    own_servers[0].kill()
    assert store.renew([first]) == [True]
    own_servers[0].start()
    own_servers[0].raise_epoch(2)
    until(lambda: store.release(first))
    own_servers[1].pause()
    assert acquire(store).token > first.token
    own_servers[1].resume()
    store.close()


def test_without_a_majority_nothing_is_granted(own_servers: list[Server]) -> None:
    store = open_redlock_store(own_servers, Policy("a", FAR))
    for server in own_servers[:2]:
        server.kill()
    with pytest.raises(StoreUnavailable, match="1 of 3 servers answered"):
        store.try_acquire(A, owner())
    store.close()


def test_who_tries_in_vain_keeps_its_place_and_its_peace(own_servers: list[Server]) -> None:
    """One server of three can be had again and again: whoever gave it back and came anew each time would count as often."""
    others = open_redlock_store(own_servers[:2], Policy("a", FAR))
    store = open_redlock_store(own_servers, Policy("a", 1.0))
    take(others)
    own_servers[2].connect().config_resetstat()
    assert store.wait(A, owner(), time.monotonic() + 1.0) is None
    assert own_servers[2].connect().info("commandstats")["cmdstat_evalsha"]["calls"] < REQUESTS_IN_VAIN
    state = store.read_state()
    assert (state.waited_total, [lock.waiting for lock in state.locks]) == (1, [()])
    store.close()
    others.close()


def test_servers_whose_epoch_is_not_raised_do_not_count(own_servers: list[Server]) -> None:
    store = open_redlock_store(own_servers, Policy("a", FAR))
    for server in own_servers[:2]:
        server.stop()
        server.start()
    with pytest.raises(EpochNotRaised):
        store.try_acquire(A, owner())
    store.close()


def test_tokens_do_not_go_back_when_servers_forget_one_after_the_other(own_servers: list[Server]) -> None:
    store = open_redlock_store(own_servers, Policy("a", FAR))
    tokens = []
    for epoch in range(2, 8):
        for _ in range(3):
            grant = acquire(store)
            tokens.append(grant.token)
            store.release(grant)
        forgetful = own_servers[epoch % SERVERS]
        forgetful.stop()
        forgetful.wipe()
        forgetful.start()
        forgetful.raise_epoch(epoch)
    assert tokens == sorted(set(tokens))
    store.close()


def test_a_control_whose_epoch_stays_the_same_lets_tokens_go_back(own_servers: list[Server]) -> None:
    store = open_redlock_store(own_servers, Policy("a", FAR))
    first = take(store)
    store.release(first)
    for server in own_servers[:2]:
        server.stop()
        server.wipe()
        server.start()
        server.raise_epoch(1)
    own_servers[2].kill()
    assert acquire(store).token <= first.token
    store.close()


def test_a_binding_names_the_servers(servers: list[Server], tmp_path: Path) -> None:
    members = [{"host": "127.0.0.1", "port": server.port} for server in servers]
    entries = {"type": "caisson-lock", "backend": "redlock", "space": f"demo/jobs-{next(_spaces)}", "host": "127.0.0.1"}
    for key, value in {**entries, "topology": "independent", "members": json.dumps(members)}.items():
        (tmp_path / key).write_text(value)
    with caisson.DistributedLock.connect(binding=tmp_path) as locks, locks.lock("a").hold(timeout=FAR) as held:
        assert held.is_valid


def test_an_even_number_of_servers_is_refused(tmp_path: Path) -> None:
    members = [{"host": "a", "port": 1}, {"host": "b", "port": 1}]
    entries = {"type": "caisson-lock", "backend": "redlock", "space": "a", "host": "a", "members": json.dumps(members)}
    for key, value in entries.items():
        (tmp_path / key).write_text(value)
    with pytest.raises(ConfigurationError, match="odd number"):
        caisson.DistributedLock.connect(binding=tmp_path)
