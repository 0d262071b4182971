"""What an application sees of a lock space, on a real Redis."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

import caisson
from coordination.lock_contract import FAR, until
from coordination.redis import Server, running_redis

T = TypeVar("T")
SHORT = 1.0
"""Seconds: a lease that a test waits for."""
_spaces = count()


class Space:
    """Clients of one fresh lock space."""

    def __init__(self, server: Server) -> None:
        self.name = f"demo/facade-{next(_spaces)}"
        self._server = server
        self._clients: list[caisson.DistributedLock] = []

    def connect(self, lease: float = FAR, **more: Any) -> caisson.DistributedLock:
        client = caisson.DistributedLock.connect(url=self._server.url, space=self.name, lease=lease, **more)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def space(server: Server) -> Iterator[Space]:
    space = Space(server)
    yield space
    space.close()


@pytest.fixture
def locks(space: Space) -> caisson.DistributedLock:
    return space.connect()


@pytest.fixture
def others(space: Space) -> caisson.DistributedLock:
    return space.connect()


def in_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(FAR)


def test_a_hold_excludes_others_until_its_end(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with locks.lock("a").hold(timeout=5) as held:
        assert held.is_valid
        assert others.lock("a").try_hold() is None
    with others.lock("a").hold() as later:
        assert later.token > held.token
    assert not held.is_valid or held.token < later.token


def test_waiting_ends_with_the_timeout(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with locks.lock("a").hold(), pytest.raises(caisson.LockTimeout, match=r"'a'.*within 0.05 s") as caught:
        others.lock("a").hold(timeout=0.05)
    assert caught.value.is_safe_to_retry


def test_a_timeout_of_nothing_does_not_wait(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with locks.lock("a").hold(), pytest.raises(caisson.LockTimeout):
        others.lock("a").hold(timeout=0)
    others.lock("a").hold(timeout=0).release()


def test_a_thread_holds_again_what_it_holds(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with locks.lock("a").hold() as outer:
        with locks.lock("a").hold() as inner:
            assert inner.token == outer.token
        outer.check()
        assert others.lock("a").try_hold() is None
    others.lock("a").hold(timeout=0).release()


def test_another_thread_of_the_same_client_waits(locks: caisson.DistributedLock) -> None:
    with locks.lock("a").hold():
        assert in_thread(locks.lock("a").try_hold) is None


def test_a_hold_may_be_released_by_another_thread(locks: caisson.DistributedLock) -> None:
    held = locks.lock("a").hold()
    in_thread(held.release)
    assert in_thread(locks.lock("a").try_hold) is not None


def test_a_task_holds_again_what_it_holds_and_its_child_does_not(locks: caisson.DistributedLock) -> None:
    async def child() -> caisson.Held | None:
        return locks.lock("a").try_hold()

    async def parent() -> tuple[int, int, caisson.Held | None]:
        with locks.lock("a").hold() as outer, locks.lock("a").hold() as inner:
            return outer.token, inner.token, await asyncio.create_task(child())

    outer, inner, of_child = asyncio.run(parent())
    assert outer == inner
    assert of_child is None


def test_where_the_space_is_not_reentrant_nobody_holds_twice(space: Space) -> None:
    locks = space.connect(reentrant=False)
    with locks.lock("a").hold():
        assert locks.lock("a").try_hold() is None


def test_a_hold_outlasts_its_lease_by_renewal(space: Space) -> None:
    locks, others = space.connect(SHORT), space.connect(SHORT)
    with locks.lock("a").hold() as held:
        first = held.believed_until
        with pytest.raises(caisson.LockTimeout):
            others.lock("a").hold(timeout=2.5 * SHORT)
        assert held.believed_until > first + SHORT
        held.check()


def test_a_lock_that_is_taken_away_is_lost_to_its_holder(space: Space, server: Server) -> None:
    locks = space.connect(SHORT)
    lost: list[caisson.Held] = []
    held = locks.lock("a").hold(on_lost=lost.append)
    server.connect().delete(f"{space.name}:lock-held:a")
    until(lambda: lost == [held])
    with pytest.raises(caisson.LockLost, match="ended or been taken away") as caught:
        held.check()
    assert not caught.value.is_safe_to_retry
    with pytest.raises(caisson.LockLost):
        held.release()


def test_a_hold_that_was_lost_is_not_held_again_before_it_is_released(space: Space, server: Server) -> None:
    locks = space.connect(SHORT)
    lost = locks.lock("a").hold()
    server.connect().delete(f"{space.name}:lock-held:a")
    until(lambda: not lost.is_valid)
    with pytest.raises(caisson.LockLost):
        locks.lock("a").hold()
    with pytest.raises(caisson.LockLost):
        lost.release()
    locks.lock("a").hold(timeout=0).release()


def test_the_end_of_a_with_tells_of_the_loss_unless_something_else_is_told(space: Space, server: Server) -> None:
    locks = space.connect()
    with pytest.raises(caisson.LockLost), locks.lock("a").hold():
        server.connect().delete(f"{space.name}:lock-held:a")
    with pytest.raises(KeyError), locks.lock("a").hold():
        raise KeyError(server.connect().delete(f"{space.name}:lock-held:a"))


def test_a_holder_is_told_before_its_lease_is_over_when_the_store_is_silent(space: Space) -> None:
    with running_redis() as server:
        server.raise_epoch(1)
        told = threading.Event()
        client = caisson.DistributedLock.connect(url=server.url, lease=SHORT)
        held = client.lock("a").hold(on_lost=lambda _: told.set())
        server.pause()
        assert told.wait(FAR)
        assert not held.is_valid
        server.resume()
        with pytest.raises(caisson.LockLost, match="could not be renewed in time"):
            held.release()
        client.close()


def test_no_hold_lasts_longer_than_the_space_allows(space: Space) -> None:
    locks, others = space.connect(max_hold=0.5), space.connect()
    held = locks.lock("a").hold()
    with others.lock("a").hold(timeout=FAR), pytest.raises(caisson.LockLost, match="maxHold"):
        held.check()
    with pytest.raises(caisson.LockLost, match="maxHold"):
        held.release()


def test_many_read_and_one_writes(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    lock, same = locks.read_write_lock("a"), others.read_write_lock("a")
    with lock.read.hold(), same.read.hold():
        assert in_thread(same.write.try_hold) is None
    with lock.write.hold(), lock.read.hold():
        assert same.read.try_hold() is None
        assert others.lock("a").try_hold() is None


def test_a_reader_that_asks_to_write_is_refused_at_once(locks: caisson.DistributedLock) -> None:
    lock = locks.read_write_lock("a")
    with lock.read.hold(), pytest.raises(caisson.ConfigurationError, match="would wait for itself"):
        lock.write.hold()


def test_a_semaphore_counts_every_hold(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with locks.semaphore("a", 2).hold(), locks.semaphore("a", 2).hold() as second:
        assert others.semaphore("a", 2).try_hold() is None
        second.release()
        others.semaphore("a", 2).hold(timeout=0).release()


def test_a_multi_lock_is_all_or_nothing(locks: caisson.DistributedLock, others: caisson.DistributedLock) -> None:
    with others.lock("b").hold():
        assert locks.multi_lock("c", "b", "a").try_hold() is None
        with pytest.raises(caisson.LockTimeout):
            locks.multi_lock("c", "b", "a").hold(timeout=0.05)
        others.lock("a").hold(timeout=0).release()
    with locks.multi_lock("c", "b", "a", "b").hold(timeout=FAR) as held:
        assert sorted(held.tokens) == ["a", "b", "c"]
        assert held.is_valid
        assert others.lock("c").try_hold() is None
    others.lock("c").hold(timeout=0).release()


def test_multi_locks_in_any_order_do_not_wait_for_each_other(space: Space) -> None:
    def turn(number: int) -> None:
        names = ("a", "b", "c") if number % 2 else ("c", "b", "a")
        with client.multi_lock(*names).hold(timeout=FAR):
            pass

    client = space.connect()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(40)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a\nb", "position 1"),
        ("a\x00", "position 1"),
        ("x\u200b", "position 1"),
        ("y" * 513, "513 bytes"),
    ],
)
def test_a_bad_name_is_refused_with_the_reason(locks: caisson.DistributedLock, name: str, reason: str) -> None:
    for make in (locks.lock, locks.read_write_lock, lambda name: locks.semaphore(name, 1), locks.multi_lock):
        with pytest.raises(caisson.BadName, match=reason):
            make(name)


def test_any_other_name_will_do(locks: caisson.DistributedLock) -> None:
    for name in ("invoice:42", "Ünïcode 锁", "*", "[a]", "x" * 512):
        with locks.lock(name).hold(timeout=5) as held:
            assert held.name == name
            assert [lock.name for lock in locks.read_state().locks] == [name]


def test_a_lease_that_redis_can_not_honour_is_refused(space: Space) -> None:
    with pytest.raises(caisson.LeaseTooShort, match=r"0.01 s is shorter than Redis can honour \(0.1 s"):
        space.connect(0.01)


def test_a_binding_says_all(server: Server, space: Space, tmp_path: Path) -> None:
    entries = {"type": "caisson-lock", "backend": "redis", "space": space.name, "lease_seconds": "7", "fair": "true"}
    entries |= {"reentrant": "false", "fencing": "false", "host": "127.0.0.1", "port": str(server.port)}
    for key, value in entries.items():
        (tmp_path / key).write_text(value)
    with caisson.DistributedLock.connect(binding=tmp_path) as locks, locks.lock("a").hold() as held:
        assert space.connect().lock("a").try_hold() is None
        assert locks.lock("a").try_hold() is None
        with pytest.raises(caisson.ConfigurationError, match="fencing turned off"):
            held.fences()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"type": "postgresql"}, "type 'postgresql', not 'caisson-lock'"),
        ({"type": "caisson-lock", "backend": "paper"}, "backend 'paper'"),
        ({"type": "caisson-lock", "backend": "redis", "space": "a", "fair": "perhaps"}, "fair 'perhaps'"),
        ({"type": "caisson-lock", "backend": "redis", "space": "a", "lease_seconds": "soon"}, "lease_seconds 'soon'"),
        ({"type": "caisson-lock", "backend": "redis"}, "no entry 'space'"),
    ],
)
def test_a_binding_that_can_not_be_right_is_refused(tmp_path: Path, entries: dict[str, str], reason: str) -> None:
    for key, value in entries.items():
        (tmp_path / key).write_text(value)
    with pytest.raises(caisson.ConfigurationError, match=reason):
        caisson.DistributedLock.connect(binding=tmp_path)


@pytest.mark.parametrize(
    "arguments", [{}, {"name": "a", "url": "redis://h"}, {"url": "http://h"}, {"url": "redis://h:x"}]
)
def test_a_call_that_does_not_say_where_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(caisson.ConfigurationError):
        caisson.DistributedLock.connect(**arguments)  # type: ignore[arg-type]


def test_closing_tells_holders(space: Space) -> None:
    locks = space.connect()
    lost: list[caisson.Held] = []
    held = locks.lock("a").hold(on_lost=lost.append)
    locks.close()
    assert lost == [held]
    assert not held.is_valid
    space.connect().lock("a").hold(timeout=0).release()
