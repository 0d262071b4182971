"""The time that ids are stamped with never goes back, and comes to agree with the wall clock again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caisson.errors import ClockWentBack
from caisson.ids.clock import SECOND_NS, Clocks, Rollback, SteadyClock


class Hands:
    def __init__(self) -> None:
        self.wall_ns, self.monotonic_ns = 1000 * SECOND_NS, 0
        self.clock = SteadyClock(Clocks(lambda: self.wall_ns, lambda: self.monotonic_ns), SECOND_NS)

    def read(self) -> int:
        return self.clock.now_ns(self.monotonic_ns)

    def go_on(self, nanoseconds: int) -> None:
        self.wall_ns += nanoseconds
        self.monotonic_ns += nanoseconds


def test_follows_the_wall_clock() -> None:
    hands = Hands()
    hands.read()
    hands.go_on(5 * SECOND_NS)
    assert hands.read() == hands.wall_ns


def test_catches_up_with_a_clock_that_went_back_a_little() -> None:
    hands = Hands()
    first = hands.read()
    hands.wall_ns -= SECOND_NS // 2
    assert hands.read() == first
    hands.go_on(SECOND_NS // 4)
    assert hands.read() == first + SECOND_NS // 8
    hands.go_on(SECOND_NS)
    assert hands.read() == hands.wall_ns
    assert hands.clock.rollbacks == 1


def test_remembers_how_often_how_far_and_when_the_clock_went_back() -> None:
    hands = Hands()
    hands.read()
    assert hands.clock.rollback is None
    for jump_ns in (SECOND_NS // 2, SECOND_NS // 10):
        hands.wall_ns -= jump_ns
        hands.monotonic_ns += 7
        hands.read()
        hands.go_on(SECOND_NS)
        hands.read()
    assert hands.clock.rollback == Rollback(2, SECOND_NS // 2, SECOND_NS + 14)


def test_refuses_a_clock_that_went_back_further_until_it_has_caught_up() -> None:
    hands = Hands()
    first = hands.read()
    hands.wall_ns -= 3600 * SECOND_NS
    for _ in range(3):
        with pytest.raises(ClockWentBack):
            hands.read()
    hands.go_on(3600 * SECOND_NS)
    assert hands.read() == first


@given(st.lists(st.tuples(st.integers(-3 * SECOND_NS, 3 * SECOND_NS), st.integers(0, 2 * SECOND_NS))))
def test_never_goes_back_and_is_never_further_ahead_than_allowed(moves: list[tuple[int, int]]) -> None:
    hands, last = Hands(), 0
    for jump, passed in moves:
        hands.wall_ns += jump
        hands.go_on(passed)
        try:
            now = hands.read()
        except ClockWentBack:
            assert last - hands.wall_ns > SECOND_NS
            continue
        assert now >= last
        assert now - hands.wall_ns <= SECOND_NS
        last = now
