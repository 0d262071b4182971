"""How far a copy is, by what was counted where it was and by statistics elsewhere; time left only where it can be told."""

from dataclasses import replace

import pytest

from caisson_operator.core.layout import SwitchGroup
from caisson_operator.sharded_database.copy_progress import CopyProgress, measure_copy
from caisson_operator.sharded_database.observed import GroupRecord, Shard
from caisson_operator.sharded_database.switch_groups import GroupView
from fakes.observations import NOW, build_wanted

GROUP = SwitchGroup(1, 1, "s0", "s1", build_wanted().groups["aircraft"], (3,))
FIRST, SECOND, *_ = (leaf.name for leaf in GROUP.leaves)
SOURCE = Shard("s0", timeline=1, has_synchronous_standby=True, row_estimates={FIRST: 900, SECOND: 100, "other": 7})
TARGET = Shard("s1", timeline=1, has_synchronous_standby=True, rows_arrived={FIRST: 250})
COPYING = GroupView(GROUP, SOURCE, TARGET)
VERIFIED = GroupRecord(1, 1, NOW, NOW, is_indexed=True, rows=1010, is_verified=True)
COUNTED = replace(COPYING, target=replace(TARGET, records={(1, 1): VERIFIED}))


def test_rows_that_are_not_counted_yet_are_estimated_by_the_source() -> None:
    assert measure_copy([COPYING], 1) == CopyProgress(250, 1000)


def test_rows_that_were_counted_are_counted_once() -> None:
    assert measure_copy([COUNTED], 1) == CopyProgress(1010, 1010)
    assert measure_copy([replace(COUNTED, source=replace(SOURCE, row_estimates={}))], 1) == CopyProgress(1010, 1010)


def test_groups_are_added_up() -> None:
    assert measure_copy([COPYING, COUNTED], 2) == CopyProgress(1260, 2010)


def test_more_rows_than_estimated_are_never_more_than_all() -> None:
    old = replace(COPYING, source=replace(SOURCE, row_estimates={}))
    assert measure_copy([old], 1) == CopyProgress(250, 250)


def test_of_a_group_that_cannot_be_seen_nothing_is_guessed() -> None:
    assert measure_copy([COPYING], 2) == CopyProgress(250, None)


def test_time_left_is_in_proportion() -> None:
    assert CopyProgress(250, 1000).estimate_seconds_left(100) == 300


def test_time_left_is_told_no_finer_than_it_is_known() -> None:
    assert CopyProgress(250, 1000).estimate_seconds_left(101) == 300
    assert CopyProgress(500, 1000).estimate_seconds_left(33) == 30
    assert CopyProgress(999, 1000).estimate_seconds_left(33) == 10


@pytest.mark.parametrize(
    ("rows", "total", "elapsed", "why"),
    [
        (250, None, 100, "the total is not known"),
        (0, 0, 100, "nothing is there"),
        (19, 1000, 100, "the beginning tells no pace"),
        (1000, 1000, 100, "nothing is left, or the estimate was too low"),
        (250, 1000, 0, "no time has passed"),
        (250, 1000, -5, "a clock that is wrong"),
    ],
)
def test_time_left_is_told_only_where_it_can_be(rows: int, total: int | None, elapsed: float, why: str) -> None:
    assert CopyProgress(rows, total).estimate_seconds_left(elapsed) is None, why
