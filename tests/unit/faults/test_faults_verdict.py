"""A round is held against what is promised of its fault: each thing that came out otherwise is told, and what is promised is not."""

from dataclasses import replace
from typing import Any

import pytest

from faults.checker import Finding, Kind
from faults.fault import Expected, Fault
from faults.quorum import GUARDED
from faults.rounds import Round
from faults.table import FAULTS
from faults.updates import UPDATES
from faults.variants import CLOCK_FAULTS, DISK_FULL
from faults.verdict import judge

ALL = {fault.name: fault for fault in (*FAULTS, *UPDATES, *CLOCK_FAULTS, DISK_FULL, GUARDED)}
MAY_FAIL = {"standby_then_primary", "standby_then_primary_strict", "api_server_away_and_primary_killed", "disk_full"}


def true_round(fault: Fault, **changes: Any) -> Round:
    moves = fault.expected is Expected.MOVES
    done = Round(
        fault.name, fault.expected, has_other_primary=moves and not fault.same_may_lead, gap_seconds=fault.watch_seconds + 1.0,
        promoted_seconds=None, takeover_seconds=None, stale_seconds=0.0, acknowledged=900, failed=0, unknown=0, findings=(),
        failed_reads=0, promotions=fault.promotions if moves else 0, has_restarted=moves,
    )  # fmt: skip
    return replace(done, **changes)


@pytest.mark.parametrize("fault", ALL.values(), ids=ALL)
def test_a_round_that_ends_as_it_must_is_well(fault: Fault) -> None:
    assert judge(fault, true_round(fault)) == []


@pytest.mark.parametrize("fault", ALL.values(), ids=ALL)
@pytest.mark.parametrize("how", ["failed", "unknown", "failed_reads"])
def test_statements_fail_only_where_it_is_written_down(fault: Fault, how: str) -> None:
    complaints = judge(fault, true_round(fault, **{how: 1}))
    assert bool(complaints) == (fault.name not in MAY_FAIL)


@pytest.mark.parametrize("fault", ALL.values(), ids=ALL)
def test_nothing_that_the_checker_found_is_passed_over(fault: Fault) -> None:
    for kind in Kind:
        assert judge(fault, true_round(fault, findings=(Finding(kind, "one"),))) == [f"{kind}: one"]


def test_one_that_told_the_application_of_nothing_is_not() -> None:
    assert judge(ALL["switchover"], true_round(ALL["switchover"], acknowledged=0)) == [
        "the application was told of no row"
    ]


@pytest.mark.parametrize("fault", ALL.values(), ids=ALL)
def test_another_end_is_told(fault: Fault) -> None:
    others = {end for end in Expected if end is not fault.expected}
    assert all(judge(fault, true_round(fault, came=other)) for other in others)


def test_two_failovers_in_a_row_are_two_promotions() -> None:
    fault = ALL["two_in_a_row"]
    assert judge(fault, true_round(fault, promotions=1)) == ["promoted 1 times, and 2 were expected"]


def test_another_pod_must_lead_where_the_standby_takes_over() -> None:
    for name in ("stopped", "node_killed", "switchover", "postgres_killed", "clock_of_standby_off", "disk_full"):
        assert judge(ALL[name], true_round(ALL[name], has_other_primary=False)) == ["the same pod leads as before"]


def test_nothing_is_done_over_again_where_the_primary_goes_on() -> None:
    names = (
        "api_server_away",
        "cut_off_from_api_server",
        "operator_killed",
        "operator_stopped",
        "clock_of_primary_off",
        "cut_off_from_peers_strict",
    )
    for name in names:
        assert judge(ALL[name], true_round(ALL[name], has_restarted=True)) == [
            "a member is another pod than before, or was started again"
        ]


def test_nothing_is_acknowledged_while_writes_are_to_wait() -> None:
    for name in ("cut_off_from_peers_strict", "standby_then_primary", "standby_then_primary_strict"):
        assert judge(ALL[name], true_round(ALL[name], gap_seconds=2.0)) == [
            "writes were acknowledged after 2.0 s, and were to wait"
        ]


def test_what_an_earlier_round_did_not_record_is_not_judged() -> None:
    old = {"failed_reads": None, "promotions": None, "has_restarted": None}
    assert [judge(fault, true_round(fault, **old)) for fault in ALL.values()] == [[]] * len(ALL)
