"""What must hold for every lock store. A backend's test subclasses LockContract and says how its store is opened.

    class TestRedisStore(LockContract):
        @pytest.fixture
        def open_store(self) -> Iterator[OpenStore]: ...

Each call of `open_store` gives another client of one and the same fresh space; the fixture closes them all.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Protocol

import pytest

from caisson.errors import StoreUnavailable
from caisson.locks.store import Claim, Grant, LockStore, Mode, SpaceState

A = Claim("a")
READ_A = Claim("a", Mode.SHARED)
PERMIT_A = Claim("a", Mode.PERMIT, permits=2)
FAR = 60.0
"""Seconds: a deadline that only a broken store reaches."""

_numbers = count()


class OpenStore(Protocol):
    def __call__(self, lease_seconds: float = FAR, *, fair: bool = True) -> LockStore: ...


def owner() -> str:
    """A new owner."""
    return f"test/{next(_numbers)}"


def take(store: LockStore, claim: Claim = A) -> Grant:
    """A grant that nothing stands in the way of."""
    grant = store.try_acquire(claim, owner())
    assert grant is not None
    return grant


def soon() -> float:
    return time.monotonic() + FAR


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FAR
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come about"
        time.sleep(0.005)


class ReadsState(Protocol):
    def read_state(self) -> SpaceState: ...


def waiting(store: ReadsState, name: str = "a") -> tuple[str, ...]:
    return next((lock.waiting for lock in store.read_state().locks if lock.name == name), ())


class Waiters:
    """Threads that wait in stores, started in a known order."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def join_queue(self, store: LockStore, claim: Claim = A, mine: str | None = None) -> Future[Grant | None]:
        """Start a waiter, and return once it is in the queue."""
        mine = mine or owner()
        future = self._pool.submit(store.wait, claim, mine, soon())
        until(lambda: mine in waiting(store, claim.name) or future.done())
        return future


class LockContract:
    """The contract, sentence by sentence."""

    @pytest.fixture
    def waiters(self) -> Iterator[Waiters]:
        with ThreadPoolExecutor(64) as pool:
            yield Waiters(pool)

    def test_grants_a_free_lock_and_refuses_a_held_one(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        take(store)
        assert other.try_acquire(A, owner()) is None
        assert take(other, Claim("b")).claim.name == "b"

    def test_a_lock_is_free_again_after_its_release(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        assert store.release(take(store))
        take(other)

    def test_a_second_release_does_nothing_to_the_next_holder(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        first = take(store)
        store.release(first)
        second = take(other)
        assert not store.release(first)
        assert other.renew([second]) == [True]

    def test_every_grant_of_a_name_has_a_greater_token(self, open_store: OpenStore) -> None:
        stores = [open_store(), open_store()]
        tokens = []
        for turn in range(10):
            grant = take(stores[turn % 2])
            tokens.append(grant.token)
            stores[turn % 2].release(grant)
        assert tokens == sorted(set(tokens))

    def test_a_grant_is_leased_from_before_it_was_asked_for(self, open_store: OpenStore) -> None:
        store = open_store()
        before = time.monotonic()
        assert before <= take(store).leased_at <= time.monotonic()

    def test_a_lease_that_is_not_renewed_runs_out(self, open_store: OpenStore) -> None:
        store, other = open_store(1.0), open_store(1.0)
        abandoned = self.abandon(store)
        grant = other.wait(A, owner(), soon())
        assert grant is not None
        assert grant.token > abandoned.token
        assert other.renew([grant]) == [True]

    def abandon(self, store: LockStore) -> Grant:
        """Take the lock and let its lease run out. A backend that keeps a lease alive by itself says how here."""
        return take(store)

    def test_renewal_tells_for_each_grant_whether_it_is_still_held(self, open_store: OpenStore) -> None:
        store = open_store()
        kept, released = take(store), take(store, Claim("b"))
        store.release(released)
        assert store.renew([kept, released]) == [True, False]
        assert store.renew([]) == []

    def test_a_release_wakes_the_waiter(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        held = take(store)
        waiter = waiters.join_queue(other)
        store.release(held)
        grant = waiter.result(FAR)
        assert grant is not None
        assert grant.token > held.token
        assert other.renew([grant]) == [True]

    def test_waiters_are_granted_in_the_order_of_their_coming(self, open_store: OpenStore, waiters: Waiters) -> None:
        stores = [open_store() for _ in range(3)]
        held = take(stores[0])
        queue = [waiters.join_queue(stores[turn % 3]) for turn in range(6)]
        for turn, waiter in enumerate(queue):
            stores[(turn - 1) % 3 if turn else 0].release(held)
            grant = waiter.result(FAR)
            assert grant is not None
            assert not any(later.done() for later in queue[turn + 1 :])
            held = grant

    def test_nobody_overtakes_a_waiter_where_the_space_is_fair(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        held = take(store)
        waiter = waiters.join_queue(other)
        store.release(held)
        assert store.try_acquire(A, owner()) is None
        assert waiter.result(FAR) is not None

    def test_a_waiter_gives_up_at_its_deadline_and_leaves_no_trace(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        held = take(store)
        assert other.wait(A, owner(), time.monotonic() + 0.05) is None
        assert waiting(store) == ()
        store.release(held)
        take(store)

    def test_who_leaves_the_queue_is_not_granted_the_lock(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        held, gone = take(store), owner()
        waiters.join_queue(other, A, gone)
        second = waiters.join_queue(open_store())
        store.leave(A, gone)
        store.release(held)
        assert second.result(FAR) is not None
        other.close()

    def test_leaving_gives_up_what_was_granted_meanwhile(self, open_store: OpenStore) -> None:
        store = open_store()
        grant = take(store)
        store.leave(A, grant.owner)
        store.leave(A, grant.owner)
        assert store.renew([grant]) == [False]
        take(store)

    def test_a_waiter_of_a_closed_store_is_told(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        take(store)
        waiter = waiters.join_queue(other)
        other.close()
        with pytest.raises(StoreUnavailable):
            waiter.result(FAR)

    def test_readers_share_and_a_writer_excludes_them(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        readers = [take(store, READ_A), take(other, READ_A)]
        assert other.try_acquire(A, owner()) is None
        for reader in readers:
            assert store.release(reader)
        writer = take(store)
        assert other.try_acquire(READ_A, owner()) is None
        store.release(writer)
        take(other, READ_A)

    def test_the_last_reader_wakes_the_writer(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        readers = [take(store, READ_A), take(store, READ_A)]
        writer = waiters.join_queue(other)
        store.release(readers[0])
        assert not writer.done()
        store.release(readers[1])
        assert writer.result(FAR) is not None

    def test_a_reader_does_not_overtake_a_waiting_writer(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        reader = take(store, READ_A)
        writer = waiters.join_queue(other)
        assert store.try_acquire(READ_A, owner()) is None
        store.release(reader)
        assert writer.result(FAR) is not None

    def test_a_writer_that_leaves_lets_all_readers_behind_it_in(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        writer = take(store)
        readers = [waiters.join_queue(other, READ_A) for _ in range(3)]
        store.release(writer)
        assert all(reader.result(FAR) is not None for reader in readers)

    def test_a_semaphore_grants_as_many_permits_as_it_has(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        first = take(store, PERMIT_A)
        take(other, PERMIT_A)
        assert other.try_acquire(PERMIT_A, owner()) is None
        third = waiters.join_queue(other, PERMIT_A)
        store.release(first)
        assert third.result(FAR) is not None

    def test_a_semaphore_has_nothing_to_do_with_a_lock_of_its_name(self, open_store: OpenStore) -> None:
        store = open_store()
        take(store)
        take(store, PERMIT_A)

    def test_the_state_shows_who_holds_and_who_waits(self, open_store: OpenStore, waiters: Waiters) -> None:
        store = open_store()
        held, behind = take(store), owner()
        waiters.join_queue(store, A, behind)
        (lock,) = store.read_state().locks
        assert (lock.name, lock.waiting) == ("a", (behind,))
        (holder,) = lock.holders
        assert (holder.owner, holder.mode, holder.token) == (held.owner, Mode.EXCLUSIVE, held.token)
        assert 0 <= holder.held_seconds <= FAR
        assert 0 < holder.lease_left_seconds <= FAR
        store.close()

    def test_the_state_counts_grants_and_waits(self, open_store: OpenStore, waiters: Waiters) -> None:
        store = open_store()
        held = take(store)
        waiter = waiters.join_queue(store)
        store.release(held)
        waiter.result(FAR)
        state = store.read_state()
        assert (state.granted_total, state.waited_total) == (2, 1)

    def test_the_state_of_an_unused_space_is_empty(self, open_store: OpenStore) -> None:
        state = open_store().read_state()
        assert (state.locks, state.granted_total, state.waited_total) == ((), 0, 0)

    def test_a_lock_that_is_taken_away_goes_to_the_next_waiter(self, open_store: OpenStore, waiters: Waiters) -> None:
        store, other = open_store(), open_store()
        held = take(store)
        waiter = waiters.join_queue(other)
        assert other.force_release("a") == 1
        grant = waiter.result(FAR)
        assert grant is not None
        assert grant.token > held.token
        assert store.renew([held]) == [False]
        assert not store.release(held)
        assert other.renew([grant]) == [True]

    def test_many_threads_of_one_client_take_turns(self, open_store: OpenStore) -> None:
        store = open_store()
        inside, most = 0, 0
        tokens: list[int] = []
        counting = threading.Lock()

        def work(_: int) -> None:
            nonlocal inside, most
            grant = store.wait(A, owner(), soon())
            assert grant is not None
            with counting:
                inside += 1
                most = max(most, inside)
                tokens.append(grant.token)
            with counting:
                inside -= 1
            store.release(grant)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(80)))
        assert most == 1
        assert tokens == sorted(set(tokens))
        assert len(tokens) == 80
