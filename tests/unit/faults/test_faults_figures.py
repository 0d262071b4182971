"""Rounds come back from their file as they were, and the figures say what they rest on."""

import json
from dataclasses import asdict, replace

from bench.record import Record
from faults.checker import Finding, Kind
from faults.figures import summarize
from faults.rounds import Round
from faults.table import FAULTS, Expected
from faults.variants import CLOCK_FAULTS

ROUND = Round("pod_killed", Expected.MOVES, True, 2.5, 2.0, None, 0.0, 900, 0, 0, ())
LOST = Finding(Kind.LOST, "one")
BACK = Finding(Kind.WENT_BACK, "two")


def figure(records: list[Record], metric: str) -> tuple[float, int]:
    (found,) = (record for record in records if record.metric == metric)
    return found.value, found.rounds


def test_a_round_comes_back_as_it_was_kept() -> None:
    told = replace(ROUND, failed_reads=2, promotions=1, has_restarted=True)
    for kept in (ROUND, told, replace(ROUND, findings=(LOST, BACK), gap_seconds=None, takeover_seconds=7.5)):
        assert Round.of_line(kept.to_line()) == kept


def test_a_round_of_an_earlier_state_of_the_code_can_be_read() -> None:
    later = ("failed_reads", "promotions", "has_restarted")
    line = json.dumps({name: value for name, value in asdict(ROUND).items() if name not in later})
    assert Round.of_line(line) == ROUND


def test_gaps_are_told_with_their_median_and_their_longest_and_the_rounds_that_they_rest_on() -> None:
    records = summarize([replace(ROUND, gap_seconds=gap) for gap in (2.0, 9.0, 3.0)], [], [])
    assert figure(records, "pod_kill_gap_s_p50") == (3.0, 3)
    assert figure(records, "pod_kill_gap_s_max") == (9.0, 3)


def test_what_was_not_done_has_no_figure() -> None:
    assert "partition_gap_s_max" not in {record.metric for record in summarize([ROUND], [], [])}


def test_what_a_control_loses_is_not_counted_as_ours() -> None:
    records = summarize([ROUND], [replace(ROUND, findings=(LOST, LOST, BACK))], [])
    assert figure(records, "acknowledged_lost") == (0, 1)
    assert figure(records, "stale_strong_reads") == (0, 1)
    assert figure(records, "control_lost") == (2, 1)


def test_takeovers_are_of_operators_that_were_killed() -> None:
    rounds = [
        replace(ROUND, fault="operator_killed", takeover_seconds=7.0),
        replace(ROUND, fault="operator_and_primary_killed", takeover_seconds=8.0),
        replace(ROUND, fault="operator_stopped", takeover_seconds=1.0),
        replace(ROUND, fault="node_killed", takeover_seconds=None),
        replace(ROUND, fault="api_server_away", takeover_seconds=60.0),
    ]
    records = summarize(rounds, [], [])
    assert figure(records, "operator_takeover_s_max") == (8.0, 2)
    assert figure(records, "operator_stop_s_max") == (1.0, 1)


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in (*FAULTS, *CLOCK_FAULTS)]
    assert len(set(names)) == len(names)
