"""Each demand of the demo fails alone, by name; and the closing table says so."""

from dataclasses import fields, replace
from typing import Any

import pytest

from demo.musts import Figures, Wanted, judge, render_table, to_json
from demo.story import CopyClock, Story, describe_expansion
from fakes.demo_figures import GOOD

WANTED = Wanted(rows=340_098, buckets_moved=32, switch_gaps=7)
CONTRACT = [
    "rows",
    "buckets_moved",
    "copy_rows_per_second",
    "pause_ms_p99",
    "pause_ms_max",
    "statements_failed",
    "writes_acknowledged",
    "writes_lost",
    "writes_duplicated",
    "stale_strong_reads",
    "verify_mismatches",
    "failover_seconds",
]


def missed(figures: Figures) -> list[str]:
    return [must.name for must in judge(figures, WANTED) if not must.ok]


def test_good_figures_miss_nothing() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"rows": 340_097}, "rows loaded"),
        ({"buckets_moved": 31}, "buckets moved"),
        ({"pause_ms_p99": 200.1}, "p99 of the write pause, ms"),
        ({"writes_held_up": 0}, "writes that met a switch"),
        ({"statements_failed": 1}, "operations failed after retries"),
        ({"writes_acknowledged": 0}, "writes acknowledged"),
        ({"writes_lost": 1}, "writes lost"),
        ({"writes_duplicated": 1}, "writes duplicated"),
        ({"stale_strong_reads": 1}, "strong reads of an old value"),
        ({"join_mismatches": 1}, "flights joined to planes wrongly, buckets"),
        ({"verify_mismatches": 1}, "mismatches"),
        ({"lowest_writes_per_second": 199.9}, "writes/s all the way"),
        ({"switch_gaps": 6}, "gaps between switch groups"),
        ({"least_writes_between_switches": 499}, "writes between two switches"),
        ({"least_reads_between_switches": 99}, "strong reads between two switches"),
        ({"failover_seconds": None}, "failover, seconds to the next write"),
        ({"another_pod_leads": False}, "another pod leads (1: yes)"),
        ({"timeline_after": 1}, "timeline after the failover"),
    ],
)
def test_each_must_is_missed_alone_and_by_name(change: dict[str, Any], name: str) -> None:
    assert missed(replace(GOOD, **change)) == [name]


def test_the_table_shows_every_must_and_marks_what_was_missed() -> None:
    bad = replace(GOOD, writes_lost=3)
    musts = judge(bad, WANTED)
    table = render_table(bad, musts)
    assert all(must.name in table for must in musts)
    assert bad.lowest_writes_during in table
    assert [line.split()[0:2] for line in table.splitlines() if "MISSED" in line] == [["writes", "lost"]]


def test_the_file_has_every_name_that_others_rely_on() -> None:
    document = to_json(GOOD, judge(GOOD, WANTED))
    assert set(CONTRACT) <= document.keys()
    assert {field.name for field in fields(Figures)} < document.keys()


def test_half_of_the_buckets_move_from_two_shards_to_four() -> None:
    assert Story().wanted == WANTED


def test_copying_is_timed_until_a_later_phase_is_seen() -> None:
    clock = CopyClock()
    for now, phase, rows in [(0, "Planning", 0), (10, "Copying", 0), (20, "DualWriting", 500), (60, "Switching", 900)]:
        clock.observe({"phase": phase, "rowsCopied": rows}, float(now))
    assert clock.rows_per_second == 50.0


def test_a_status_without_counts_yet_can_be_shown() -> None:
    assert describe_expansion({}).startswith("not begun")
