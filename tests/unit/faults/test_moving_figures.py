"""A round of moving under faults comes back from its file as it was, and its figures say what they rest on."""

import json
from dataclasses import replace
from typing import Any

from bench.kept import Broken
from bench.moving import KIND, summarize
from faults.moving import MOMENTS, Loss, Moved, read_round

LOSSES = (
    Loss("source_lost_while_copying", "s0", 10.0, True, 2.5),
    Loss("target_lost_while_copying", "s2", 20.0, False, None),
)
ROUND = Moved(LOSSES, buckets_moved=32, acknowledged=900, lost=0, doubled=0, stale=0, mismatches=0, failed=0, unknown=0)
REPORT: dict[str, Any] = {
    "failovers": [{"shard": "s0", "seconds": 2.5}, {"shard": "s2", "seconds": None}],
    "buckets_moved": 32,
    "writes_acknowledged": 900,
    "writes_lost": 1,
    "writes_duplicated": 2,
    "stale_strong_reads": 3,
    "mismatches": 4,
    "join_mismatches": 5,
    "writes_failed": 6,
    "reads_failed": 7,
    "writes_unknown": 8,
}


def test_a_round_of_an_earlier_state_of_the_code_can_be_read() -> None:
    told = json.loads(ROUND.to_line())
    for loss in told["losses"]:
        del loss["phase"]
    assert Moved.of_line(json.dumps(told)) == ROUND


def test_a_kill_that_fell_into_a_later_phase_is_told() -> None:
    phases = ("Copying", "DualWriting", "")
    rounds = [replace(ROUND, losses=(replace(LOSSES[0], phase=phase),)) for phase in phases]
    told = {record.metric: record.note for record in summarize(rounds)}
    assert "right after the kill in 1 of 2" in told["source_lost_while_copying_gap_s_max"]


def test_rounds_that_broke_off_are_counted() -> None:
    (told,) = (
        r for r in summarize([ROUND], [Broken(KIND, "an expansion", "")]) if r.metric == "moving_rounds_broken_off"
    )
    assert (told.value, told.rounds) == (1, 2)


def figures(*rounds: Moved) -> dict[str, tuple[float, int]]:
    return {record.metric: (record.value, record.rounds) for record in summarize(rounds)}


def test_a_round_comes_back_as_it_was_kept() -> None:
    assert Moved.of_line(ROUND.to_line()) == ROUND


def test_a_round_has_all_that_the_checker_found() -> None:
    lost = [replace(loss, gap_seconds=None) for loss in LOSSES]
    assert read_round(lost, REPORT, {"mismatches": 1}) == replace(
        ROUND, lost=1, doubled=2, stale=3, mismatches=10, failed=13, unknown=8
    )


def test_gaps_are_those_of_each_moment_and_rest_on_the_rounds_that_had_one() -> None:
    slower = replace(ROUND, losses=(replace(LOSSES[0], gap_seconds=4.5), LOSSES[1]))
    told = figures(ROUND, slower)
    assert told["source_lost_while_copying_gap_s_p50"] == (3.5, 2)
    assert told["source_lost_while_copying_gap_s_max"] == (4.5, 2)
    assert "target_lost_while_copying_gap_s_max" not in told


def test_what_was_lost_is_counted_over_all_rounds() -> None:
    assert figures(ROUND, replace(ROUND, lost=2, stale=1))["moving_lost"] == (2, 2)
    assert figures(ROUND, replace(ROUND, stale=1))["moving_stale"] == (1, 2)


def test_a_source_and_a_target_are_lost_in_every_phase_that_moves_rows() -> None:
    names = {moment.name for moment in MOMENTS}
    phases = ("copying", "dualwriting", "switching")
    assert names == {f"{role}_lost_while_{phase}" for role in ("source", "target") for phase in phases}
