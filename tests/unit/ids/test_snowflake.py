"""Batches of a snowflake allocator, with clocks and a store that the test holds in its hand."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from caisson.errors import ClockWentBack, ConfigurationError, IdsExhausted, NoIds
from caisson.ids.clock import MILLISECOND_NS, SECOND_NS, Clocks
from caisson.ids.grants import NotReachable
from caisson.ids.keeper import Keeper
from caisson.ids.layout import Layout
from caisson.ids.snowflake import BATCH_NS, Snowflake
from fakes.id_stores import FakeCluster, FakeWorkers

BEGIN_MS = 1_800_000_000_000


@dataclass(frozen=True)
class Watched(Layout):
    """A layout that can be asked between the choice of a millisecond and its batch: where another thread may run."""

    between: Callable[[], object] = lambda: None

    @property
    def end_ms(self) -> int:
        self.between()
        return self.epoch_ms + (1 << self.timestamp_bits)


class Hands:
    def __init__(self, layout: Layout) -> None:
        self.now_ns = self.monotonic_ns = BEGIN_MS * MILLISECOND_NS
        self.cluster = FakeCluster(now_ms=BEGIN_MS)
        clocks = Clocks(lambda: self.now_ns, lambda: self.monotonic_ns, self.sleep)
        self.workers = FakeWorkers(self.cluster, 4)
        self.keeper = Keeper(self.workers, clocks, 10_000)
        self.keeper.step()
        self.source = Snowflake(layout, self.keeper, clocks, SECOND_NS, timeout=0.1)

    def sleep(self, seconds: float) -> None:
        slept_ns = max(1000, round(seconds * SECOND_NS))
        self.now_ns += slept_ns
        self.monotonic_ns += slept_ns
        self.cluster.now_ms = self.now_ns // MILLISECOND_NS


def test_a_thread_that_takes_the_last_number_at_the_worst_moment_makes_no_id_come_twice() -> None:
    """It looked at the batch's age and was stopped; it goes on when another has found the batch too old, within its millisecond."""
    late: list[int] = []

    def go_on() -> None:
        if is_stopped and not late:
            fast.keep(hands.now_ns + BATCH_NS)  # what it saw when it looked
            late.extend(fast.take(1))
            fast.keep(0)

    is_stopped = False
    hands = Hands(Watched(41, 10, 2, between=go_on))
    fast = hands.source._fast
    taken = [hands.source.next() for _ in range(3)]
    fast.keep(0)
    is_stopped = True
    taken += [hands.source.next() for _ in range(6)]
    assert len(late) == 1, "nobody was late"
    assert len({*taken, *late}) == 10


def test_who_asks_now_and_then_gets_the_time_as_it_is() -> None:
    hands = Hands(Layout())
    for _ in range(3):
        hands.sleep(0.7)
        assert Layout().decode(hands.source.next()).at.timestamp() == pytest.approx(
            hands.now_ns / SECOND_NS, abs=0.0011
        )
        hands.keeper.step()


def test_milliseconds_that_were_slept_through_are_used_by_who_wants_more() -> None:
    hands = Hands(Layout(41, 10, 2))
    ids = hands.source.take(4)
    hands.sleep(0.010)
    before_ns = hands.now_ns
    ids += hands.source.take(40)
    assert hands.now_ns == before_ns, "it waited, though there were milliseconds left"
    assert len(set(ids)) == 44
    assert sorted(ids) == ids


def test_gives_no_id_once_the_lease_may_have_ended() -> None:
    hands = Hands(Layout())
    hands.source.next()
    hands.sleep(9.9)
    hands.source.next()
    hands.sleep(0.1)
    with pytest.raises(NoIds, match="no worker id is leased"):
        hands.source.next()


def test_says_that_the_layout_has_no_higher_time() -> None:
    short = Layout(30, 10, 12, epoch_ms=BEGIN_MS - (1 << 30) + 1)
    hands = Hands(short)
    hands.source.next()
    hands.sleep(0.002)
    with pytest.raises(IdsExhausted):
        hands.source.next()


def test_a_clock_that_went_back_is_noted_with_the_next_renewal_and_once() -> None:
    hands = Hands(Layout())
    hands.source.next()
    hands.keeper.step()
    assert not hands.cluster.rollbacks
    hands.now_ns -= SECOND_NS // 2
    hands.monotonic_ns += 3 * MILLISECOND_NS
    hands.source.next()
    hands.monotonic_ns += SECOND_NS
    hands.keeper.step()
    note = hands.cluster.rollbacks.pop(0)
    assert (note.times, note.furthest_ms, note.ago_ms) == (1, 500, 1000)
    hands.keeper.step()
    assert not hands.cluster.rollbacks, "noted twice"


def test_a_note_that_could_not_be_left_is_left_later_and_no_renewal_fails_for_it() -> None:
    hands = Hands(Layout())
    hands.source.next()
    hands.now_ns -= SECOND_NS // 2
    hands.monotonic_ns += 3 * MILLISECOND_NS
    hands.source.next()
    hands.workers.note_failure = NotReachable("cut off")
    assert hands.keeper.step() == 2.5
    assert hands.keeper.trouble is None
    hands.workers.note_failure = None
    hands.keeper.step()
    assert hands.cluster.rollbacks[0].times == 1


def test_a_store_without_a_place_for_notes_is_asked_once_and_ids_go_on() -> None:
    hands = Hands(Layout())
    hands.source.next()
    hands.now_ns -= SECOND_NS // 2
    hands.monotonic_ns += 3 * MILLISECOND_NS
    hands.source.next()
    hands.workers.note_failure = ConfigurationError("no such table")
    hands.keeper.step()
    hands.workers.note_failure = None
    hands.keeper.step()
    assert not hands.cluster.rollbacks
    assert hands.source.next()


def test_who_closes_leaves_its_note_first() -> None:
    hands = Hands(Layout())
    hands.source.next()
    hands.now_ns -= 3600 * SECOND_NS
    hands.monotonic_ns += 3 * MILLISECOND_NS
    with pytest.raises(ClockWentBack):
        hands.source.next()
    hands.source.close()
    assert hands.cluster.rollbacks[0].furthest_ms == 3_600_000
