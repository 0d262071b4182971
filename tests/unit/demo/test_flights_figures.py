"""Figures from histories small enough to work out by hand."""

from math import inf

import pytest

from flights.check import Kill, with_next
from flights.figures import (
    BetweenSwitches,
    Pauses,
    Window,
    failover_silence,
    measure_between_switches,
    measure_pauses,
    owned_by,
    percentile,
    poorest_window,
    switches,
)
from flights.operations import Kind, Operation
from flights.records import MapChange, Outcome, Read, Write


def write(bucket: int, started: float, ended: float, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Write:
    return Write(Operation(Kind.INSERT, 0, 0, "N1", bucket, 1), started, ended, outcome)


def read(bucket: int, ended: float) -> Read:
    return Read(0, "N1", bucket, "revision:0", ended - 0.01, ended, Outcome.ACKNOWLEDGED, 0, 0, 0)


def test_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([float(value) for value in range(1, 201)], 0.99) == 198.0
    assert percentile([], 0.99) == 0.0


def test_a_switch_is_when_a_bucket_opens_at_a_risen_epoch() -> None:
    changes = [MapChange(1, "s0", 3, 1, True), MapChange(5, "s2", 3, 2, True), MapChange(5, "s0", 3, 1, False)]
    assert switches(changes) == {3: 5}


def test_a_pause_is_the_whole_latency_of_writes_that_met_the_switch_of_their_bucket() -> None:
    writes = [
        write(3, 9.95, 10.05),
        write(3, 9.80, 9.83),
        write(3, 9.00, 9.01),
        write(3, 10.01, 11.0),
        write(4, 9.95, 19.0),
    ]
    pauses = measure_pauses(writes, {3: 10.0})
    assert pauses == Pauses(2, pauses.max_ms, pauses.max_ms)
    assert pauses.max_ms == pytest.approx(100)


def test_counts_only_moving_buckets_between_groups_of_switches() -> None:
    switched = {1: 10.0, 2: 10.05, 3: 14.0}
    writes = [write(1, 11, 11.1), write(3, 12, 12.1), write(9, 12, 12.1), write(1, 15, 15.1)]
    writes.append(write(1, 12, 12.2, Outcome.FAILED))
    assert measure_between_switches(writes, [read(2, 13.0)], switched) == BetweenSwitches(1, 2, 1)


def test_there_is_nothing_between_switches_that_come_all_at_once() -> None:
    assert measure_between_switches([write(1, 1, 2)], [], {1: 1.0, 2: 1.1}) == BetweenSwitches(0, 0, 0)


def test_the_lowest_rate_is_that_of_the_poorest_five_seconds() -> None:
    steady = [second / 10 for second in range(200)]
    assert poorest_window(steady).per_second == pytest.approx(10, abs=0.3)
    poor = poorest_window([end for end in steady if not 8 <= end < 10])
    assert poor.per_second == pytest.approx(6, abs=0.3)
    assert poor.began_at <= 8
    assert poor.ended_at >= 10


def test_the_lowest_rate_leaves_a_failover_out() -> None:
    ends = [second / 10 for second in range(300) if not 100 <= second < 120]
    assert poorest_window(ends, [(10.0, 12.0)]).per_second == pytest.approx(10, abs=0.3)


def test_a_history_shorter_than_a_window_has_no_rate() -> None:
    assert poorest_window([1.0, 2.0]) == Window(1.0, 6.0, 0.0)
    assert poorest_window([]) == Window(0.0, 5.0, 0.0)


def test_knows_what_a_shard_owned_at_a_time() -> None:
    changes = [
        MapChange(1, "s0", 3, 1, True),
        MapChange(1, "s0", 4, 1, True),
        MapChange(5, "s0", 3, 1, False),
        MapChange(5, "s2", 3, 2, True),
    ]
    assert owned_by(changes, "s0", 4.0) == {3, 4}
    assert owned_by(changes, "s0", 6.0) == {4}


def test_a_failover_lasts_until_the_end_of_the_longest_silence() -> None:
    writes = [write(4, 10, 10.1), write(4, 10.2, 13.0), write(4, 13, 13.1), write(9, 11, 11.1)]
    assert failover_silence(writes, {4}, killed_at=10.0) == (10.1, 13.0)


def test_a_shard_that_never_writes_again_has_no_end_of_failover() -> None:
    assert failover_silence([write(9, 11, 11.1)], {4}, killed_at=10.0) is None


def test_a_silence_after_the_next_kill_is_not_this_ones() -> None:
    """Another shard's primary is killed at 25.0, and writers that wait for that one write to nobody."""
    writes = [write(4, at, at + 1) for at in (12.0, *range(13, 24), 28.5)]
    assert failover_silence(writes, {4}, 10.0, next_killed_at=23.9) == (10.0, 13.0)
    assert failover_silence(writes, {4}, 10.0) == (24, 29.5), "the control"


def test_each_kill_is_told_when_the_next_one_came_and_there_may_be_none() -> None:
    first, second = Kill("s0", 10.0), Kill("s1", 24.5)
    assert with_next([second, first]) == [(first, 24.5), (second, inf)]
    assert with_next([]) == []
