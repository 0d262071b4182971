"""Rounds come back from their file as they were, and the figures say what they rest on."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench import kept
from bench.failover import EVERYTHING
from bench.kept import Broken
from bench.record import Record
from demo.cluster import TimedOutError
from faults.checker import Finding, Kind
from faults.counts import PROMISED
from faults.fault import Expected
from faults.figures import summarize
from faults.rounds import Round
from faults.table import FAULTS
from faults.variants import CLOCK_FAULTS

ROUND = Round("pod_killed", Expected.MOVES, True, 2.5, 2.0, None, 0.0, 900, 0, 0, ())
CUT_OFF = replace(ROUND, fault="node_cut_off")
LOST = Finding(Kind.LOST, "one")
BACK = Finding(Kind.WENT_BACK, "two")


def figure(records: list[Record], metric: str) -> tuple[float, int]:
    (found,) = (record for record in records if record.metric == metric)
    return found.value, found.rounds


def test_a_round_comes_back_as_it_was_kept() -> None:
    told = replace(ROUND, failed_reads=2, promotions=1, has_restarted=True)
    for done in (ROUND, told, replace(ROUND, findings=(LOST, BACK), gap_seconds=None, takeover_seconds=7.5)):
        assert Round.of_line(done.to_line()) == done


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
    records = summarize([ROUND], [replace(CUT_OFF, findings=(LOST, LOST, BACK))], [])
    assert figure(records, "acknowledged_lost") == (0, 1)
    assert figure(records, "stale_strong_reads") == (0, 1)
    assert figure(records, "control_lost") == (2, 1)


def test_a_control_that_loses_nothing_is_not_made_good_by_another() -> None:
    quorum = replace(CUT_OFF, fault="quorum")
    records = summarize([], [replace(CUT_OFF, findings=(LOST,) * 9), quorum, quorum], [])
    assert figure(records, "control_lost") == (0, 3)
    assert figure(records, "control_lost_asynchronous") == (9, 1)
    assert figure(records, "control_lost_quorum") == (0, 2)


def test_rows_that_are_there_twice_are_counted_for_themselves() -> None:
    records = summarize([replace(ROUND, findings=(Finding(Kind.DOUBLED, "one"),)), ROUND], [], [])
    assert figure(records, "doubled_rows") == (1, 2)
    assert figure(records, "acknowledged_lost") == (0, 2)


def test_rounds_that_ended_otherwise_are_counted_and_named() -> None:
    stayed = replace(ROUND, came=Expected.STAYS)
    (told,) = (r for r in summarize([ROUND, stayed, stayed], [], []) if r.metric == "rounds_unexpected")
    assert (told.value, told.rounds, told.note) == (2, 3, "ended otherwise: pod_killed 2")


def test_rounds_that_broke_off_are_counted_by_their_kind() -> None:
    broken = [Broken("rounds", "switchover", "TimedOutError: of something"), Broken("controls", "quorum", "")]
    records = summarize([ROUND], [], [], broken)
    assert figure(records, "rounds_broken_off") == (1, 2)
    assert figure(records, "controls_broken_off") == (1, 1)
    assert figure(records, "defaults_broken_off") == (0, 0)


def test_calls_without_success_count_where_none_may_fail() -> None:
    blocked = replace(ROUND, fault="standby_then_primary", came=Expected.BLOCKS, failed=5)
    records = summarize([replace(ROUND, failed=1, unknown=2, failed_reads=3), blocked], [], [])
    assert figure(records, "failed_statements") == (6, 1)


def test_gaps_stand_beside_those_of_a_plain_patroni_where_it_was_played() -> None:
    lost, stopped = replace(ROUND, fault="node_killed"), replace(ROUND, fault="stopped")
    records = summarize([lost, stopped], [], [replace(lost, gap_seconds=30.0), replace(lost, gap_seconds=20.0)])
    told = {record.metric: (record.baseline, record.ratio) for record in records}
    assert told["node_loss_gap_s_p50"] == (25.0, 10.0)
    assert told["node_loss_gap_s_max"] == (30.0, 12.0)
    assert told["stop_gap_s_p50"] == (None, None)
    assert figure(records, "default_patroni_node_loss_gap_s_p50") == (25.0, 2)


def test_every_fault_of_the_bench_has_its_gap() -> None:
    rounds = [replace(ROUND, fault=name) for name in PROMISED]
    told = [record for record in summarize(rounds, [], []) if record.metric.endswith("_gap_s_max")]
    assert len({record.metric for record in told}) == len(PROMISED)
    assert set(EVERYTHING) - set(PROMISED) == {"asynchronous", "default", "quorum"}


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


def test_a_round_that_breaks_off_is_kept_for_later_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    for error in (TimedOutError("waited 60 s\nand more"), TimedOutError("")):
        with kept.keeping_breaks("broken", "rounds", "switchover"):
            raise error
    assert [each.why for each in kept.read_broken("broken")] == ["TimedOutError: waited 60 s", "TimedOutError: "]
    kept.forget(["broken"])
    assert kept.read_broken("broken") == []


def test_an_error_that_nobody_foresaw_is_kept_and_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    with pytest.raises(LookupError), kept.keeping_breaks("broken", "rounds", "switchover"):
        raise LookupError("nothing there")
    assert [each.why for each in kept.read_broken("broken")] == ["LookupError: nothing there"]
