"""When holds are renewed, and when they are given up."""

from dataclasses import dataclass

import pytest

from caisson.locks.renewal import believed_until, decide_renewal
from caisson.locks.store import join_token, request_seconds, split_token

LEASE = 9.0
FOREVER = float("inf")


@dataclass(frozen=True)
class Lease:
    leased_at: float
    ends_at: float = FOREVER

    @property
    def believed_until(self) -> float:
        return believed_until(self.leased_at, LEASE, self.ends_at)


def test_a_hold_is_believed_for_less_than_its_lease() -> None:
    assert believed_until(100.0, LEASE, FOREVER) < 100.0 + LEASE


def test_the_longest_hold_ends_belief_whatever_the_lease() -> None:
    assert believed_until(100.0, LEASE, 101.0) == 101.0


@pytest.mark.parametrize(("age", "is_due"), [(0.0, False), (2.9, False), (3.1, True), (5.8, True)])
def test_renewal_begins_after_a_third_of_the_lease(age: float, is_due: bool) -> None:
    assert bool(decide_renewal([Lease(0.0)], age, LEASE).due) == is_due


def test_what_is_nearly_due_is_renewed_along() -> None:
    old, younger, youngest = Lease(0.0), Lease(1.4), Lease(3.0)
    assert decide_renewal([old, younger, youngest], 3.1, LEASE).due == (old, younger)


def test_no_attempt_is_begun_that_could_outlast_belief_in_a_hold() -> None:
    expiring = Lease(0.0)
    too_late = expiring.believed_until - request_seconds(LEASE) + 0.01
    plan = decide_renewal([expiring, Lease(too_late - 4.0)], too_late, LEASE)
    assert plan.due == ()
    assert plan.seconds <= expiring.believed_until - too_late


def test_there_is_time_for_two_attempts() -> None:
    first = LEASE / 3 + 0.01
    second = first + request_seconds(LEASE)
    assert decide_renewal([Lease(0.0)], second, LEASE).due


def test_what_can_not_be_believed_any_more_is_over() -> None:
    over = Lease(0.0)
    assert decide_renewal([over], over.believed_until, LEASE).over == (over,)


def test_the_next_look_comes_before_anything_can_be_over() -> None:
    plan = decide_renewal([Lease(0.0, ends_at=0.5)], 0.1, LEASE)
    assert plan.seconds == pytest.approx(0.4)


def test_tokens_of_a_later_epoch_are_greater_than_all_of_the_one_before() -> None:
    assert join_token(2, 0) > join_token(1, (1 << 40) - 1)
    assert split_token(join_token(7, 42)) == (7, 42)


@pytest.mark.parametrize(("epoch", "counter"), [(1, 1 << 40), (1 << 23, 0), (-1, 0), (0, -1)])
def test_a_token_that_would_spill_is_refused(epoch: int, counter: int) -> None:
    with pytest.raises(OverflowError):
        join_token(epoch, counter)
