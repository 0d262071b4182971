"""What the thread that renews asks of a store, round by round, on a clock that the test moves."""

from collections.abc import Sequence

import pytest

from caisson.errors import LockLost, StoreUnavailable
from caisson.locks.hold import Held
from caisson.locks.keeper import Keeper
from caisson.locks.policy import Policy
from caisson.locks.store import Claim, Grant, SpaceState

LEASE = 9.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Grants everything, and answers renewals as it is told: `taken` are names that somebody took away."""

    lease_seconds = LEASE
    is_fair = True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.granted = 0
        self.taken: set[str] = set()
        self.is_silent = False
        self.renewed: list[list[str]] = []
        self.released: list[str] = []

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        self.granted += 1
        return Grant(claim, owner, self.granted, self.clock())

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        raise NotImplementedError

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        self._answer()
        self.renewed.append([grant.claim.name for grant in grants])
        return [grant.claim.name not in self.taken for grant in grants]

    def release(self, grant: Grant) -> bool:
        self._answer()
        self.released.append(grant.claim.name)
        return grant.claim.name not in self.taken

    def leave(self, claim: Claim, owner: str) -> None: ...

    def read_state(self) -> SpaceState:
        raise NotImplementedError

    def force_release(self, name: str) -> int:
        raise NotImplementedError

    def close(self) -> None: ...

    def _answer(self) -> None:
        if self.is_silent:
            raise StoreUnavailable("silent")


class Rounds(Keeper):
    """A keeper whose rounds the test calls."""

    def _unpark(self) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


def keeper(store: Store, clock: Clock, max_hold: float | None = None) -> Rounds:
    return Rounds(store, Policy("a", LEASE, max_hold_seconds=max_hold), clock)


def hold(keeper: Keeper, name: str, lost: list[Held] | None = None) -> Held:
    held = keeper.acquire(Claim(name), 0, None if lost is None else lost.append, must_wait=True)
    assert held is not None
    return held


def test_all_holds_are_renewed_in_one_request(store: Store, clock: Clock) -> None:
    kept = keeper(store, clock)
    hold(kept, "a")
    hold(kept, "b")
    clock.now += LEASE / 2
    kept.renew_once()
    assert store.renewed == [["a", "b"]]


def test_a_lost_hold_that_is_not_released_yet_is_asked_for_no_more(store: Store, clock: Clock) -> None:
    kept = keeper(store, clock)
    lost: list[Held] = []
    held = hold(kept, "a", lost)
    store.taken.add("a")
    clock.now += LEASE / 2
    for _ in range(5):
        kept.renew_once()
    assert store.renewed == [["a"]]
    assert lost == [held]
    with pytest.raises(LockLost, match="taken away"):
        held.release()


def test_a_holder_is_told_before_its_lease_is_over_when_the_store_is_silent(store: Store, clock: Clock) -> None:
    kept = keeper(store, clock)
    lost: list[Held] = []
    held = hold(kept, "a", lost)
    ends = clock.now + LEASE
    store.is_silent = True
    while pause := kept.renew_once():
        if lost:
            break
        clock.now += pause
    assert lost == [held]
    assert clock.now < ends
    assert not held.is_valid


def test_a_release_that_could_not_be_told_is_told_later(store: Store, clock: Clock) -> None:
    kept = keeper(store, clock)
    held = hold(kept, "a")
    store.is_silent = True
    held.release()
    assert store.released == []
    store.is_silent = False
    kept.renew_once()
    assert store.released == ["a"]


def test_a_hold_that_lasted_too_long_is_given_back_to_the_others(store: Store, clock: Clock) -> None:
    kept = keeper(store, clock, max_hold=5.0)
    lost: list[Held] = []
    held = hold(kept, "a", lost)
    clock.now += 5.0
    kept.renew_once()
    assert lost == [held]
    assert store.released == ["a"]


def test_a_callback_that_fails_does_not_end_renewal(store: Store, clock: Clock) -> None:
    def fail(held: Held) -> None:
        raise RuntimeError(held.name)

    kept = keeper(store, clock)
    kept.acquire(Claim("a"), 0, fail, must_wait=True)
    hold(kept, "b")
    store.taken.add("a")
    clock.now += LEASE / 2
    kept.renew_once()
    clock.now += LEASE / 2
    kept.renew_once()
    assert store.renewed[-1] == ["b"]
