"""What `kubectl caisson status` shows: findings first, no more than is known, and something sensible for whatever is absent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.databases import COPYING, FAILOVER, HEALTHY, build_database, build_shard
from kubectl_caisson.estimate import describe_estimate
from kubectl_caisson.failovers import render_failovers
from kubectl_caisson.resource import read_database
from kubectl_caisson.status import build_document, render_all

NOW = datetime(2026, 11, 25, 8, 4, tzinfo=UTC)


def show(manifest: dict[str, Any]) -> str:
    return render_all([manifest], NOW)


def with_condition(type: str, status: str) -> dict[str, Any]:
    condition = {
        "type": type, "status": status, "reason": "Because", "message": "s1 has\nnone", "lastTransitionTime": "2026-11-25T08:02:00Z"
    }  # fmt: skip
    return build_database(conditions=[*(entry for entry in HEALTHY if entry["type"] != type), condition])


def test_a_settled_database_has_no_finding_and_a_row_for_each_shard() -> None:
    lines = show(build_database()).splitlines()
    assert lines[0] == "demo/flights: Ready, 2 of 2 shards with a primary"
    assert not any("!" in line for line in lines)
    assert [line.split() for line in lines[2:5]] == [
        ["SHARD", "PRIMARY", "TIMELINE", "READY", "BUCKETS"],
        ["s0", "flights-s0-0", "1", "2/2", "32"],
        ["s1", "flights-s1-0", "1", "2/2", "32"],
    ]


@pytest.mark.parametrize(
    ("type", "status"),
    [
        ("Ready", "False"),
        ("Ready", "Unknown"),
        ("Degraded", "True"),
        ("Unprotected", "True"),
        ("FailoverBlocked", "True"),
        ("FailoverBlocked", "Unknown"),
        ("SchemaApplied", "False"),
        ("OfANewerOperator", "True"),
        ("OfANewerOperator", "False"),
    ],
)
def test_a_condition_that_matters_is_a_finding_with_reason_message_and_age(type: str, status: str) -> None:
    assert f"  ! {type} is {status}: Because: s1 has none (for 2m)" in show(with_condition(type, status)).splitlines()


@pytest.mark.parametrize(
    ("type", "status"),
    [("Unprotected", "False"), ("FailoverBlocked", "False"), ("Expanding", "True"), ("Progressing", "True")],
)
def test_a_condition_that_is_well_or_merely_tells_is_none(type: str, status: str) -> None:
    assert "!" not in show(with_condition(type, status))


def test_what_is_under_way_is_told() -> None:
    assert "    doing: Because: s1 has none" in show(with_condition("Progressing", "True"))


def test_a_status_of_an_older_spec_says_so() -> None:
    assert "! the operator has seen generation 2, and the spec is at 3" in show(build_database(observedGeneration=2))


def test_a_database_that_no_operator_has_seen_says_so_and_nothing_else() -> None:
    manifest = build_database()
    del manifest["status"]
    assert show(manifest).splitlines() == [
        "demo/flights: no phase yet, 0 of 2 shards with a primary",
        "  ! the operator has not looked at this database yet: is it running, and does it watch this namespace?",
    ]


def test_a_shard_without_a_primary_has_dashes() -> None:
    shown = show(build_database(shards=[{"name": "s0"}]))
    assert ["s0", "-", "-", "0/0", "0"] in [line.split() for line in shown.splitlines()]


def test_the_synchronous_standby_is_told_by_an_operator_that_knows_it() -> None:
    shards = [build_shard("s0", 32), {**build_shard("s1", 32), "leader": {"synchronousStandby": "flights-s1-1"}}]
    rows = [line.split() for line in show(build_database(shards=shards)).splitlines()]
    assert ["s0", "flights-s0-0", "1", "2/2", "32", "-"] in rows
    assert ["s1", "flights-s1-0", "1", "2/2", "32", "flights-s1-1"] in rows


def test_a_running_expansion_has_its_progress() -> None:
    shown = show(build_database(expansion=COPYING))
    assert "expansion 1, 2 -> 4 shards: Copying" in shown
    for fact in (
        "groups      2 copied, 1 verified, 0 switched, of 8",
        "buckets     0 of 32 moved",
        "rows        123,456 of about 493,824 copied",
        "lag         2.5 MB",
        "message     2 switch groups are being copied",
        "time left   about 12m of copying left at the pace so far; verifying and switching follow",
    ):
        assert fact in shown
    assert "pauses" not in shown, "no group has switched: there was no pause"


def test_mismatches_are_shouted() -> None:
    assert "MISMATCHES   7 rows differ: nothing switches" in show(
        build_database(expansion={**COPYING, "mismatches": 7})
    )


def test_an_expansion_of_which_little_is_known_is_no_error() -> None:
    shown = show(build_database(expansion={"id": 1, "phase": "Planning", "fromShards": 2, "toShards": 4}))
    assert "Planning" in shown
    assert "time left   cannot be told from what is known now" in shown


def test_an_expansion_that_is_over_takes_one_line() -> None:
    over = {
        **COPYING,
        "phase": "Completed",
        "buckets": {"total": 32, "moved": 32},
        "finishedAt": "2026-11-25T08:03:00Z",
        "switchPauseMilliseconds": {"max": 88},
    }
    shown = show(build_database(expansion=over))
    assert shown.splitlines()[-1] == (
        "  expansion 1, 2 -> 4 shards: Completed 1m ago; 32 buckets moved, longest pause 88 ms"
    )


def test_an_expansion_that_cannot_begin_says_why() -> None:
    shown = show(build_database(expansion={**COPYING, "phase": "Failed", "message": "durability is asynchronous"}))
    assert "Failed: durability is asynchronous" in shown


def test_a_pause_that_has_not_taken_hold_is_told() -> None:
    manifest = build_database(expansion=COPYING)
    manifest["spec"]["expansion"] = {"paused": True}
    assert "spec.expansion.paused is set" in show(manifest)


def test_time_left_is_told_only_where_the_operator_can_tell_it() -> None:
    shown = show(build_database(expansion={**COPYING, "copySecondsLeft": None, "rowsTotal": None}))
    assert "rows        123,456 copied" in shown
    assert "time left   cannot be told from what is known now" in shown


def test_a_copy_that_is_about_to_be_paused_has_no_time_left() -> None:
    manifest = build_database(expansion=COPYING)
    manifest["spec"]["expansion"] = {"paused": True}
    assert describe_estimate(read_database(manifest)) is None


def test_the_last_failover_and_the_last_switchover_are_told() -> None:
    switchover = {
        "request": "ab12", "shard": "s1", "from": "flights-s1-0", "to": "flights-s1-1", "phase": "Refused",
        "message": "flights-s1-1 is 5 MB behind", "at": "2026-11-25T08:03:00Z",
    }  # fmt: skip
    shown = show(build_database(failovers=[FAILOVER, FAILOVER], switchover=switchover))
    assert "the lead changed last in s0 1h4m ago: the primary's pod was deleted; 1 before it" in shown
    assert "switchover ab12 of s1, flights-s1-0 -> flights-s1-1: Refused 1m ago: flights-s1-1 is 5 MB behind" in shown


def test_control_characters_in_a_message_do_not_reach_the_terminal() -> None:
    condition = {"type": "Degraded", "status": "True", "reason": "Because", "message": "\x1b[2Jgone"}
    assert "\x1b" not in show(build_database(conditions=[condition]))


def test_failovers_are_a_table() -> None:
    head, row = render_failovers(read_database(build_database(failovers=[FAILOVER]))).splitlines()
    assert head.split() == ["AT", "SHARD", "FROM", "TO", "TIMELINE", "TOOK", "LOST", "CAUSE"]
    assert row == (
        "2026-11-25 07:00:00Z   s0      flights-s0-0   flights-s0-1   1 -> 2     2.4s   0      the primary's pod was deleted"
    )


def test_a_failover_of_which_nothing_is_known_is_a_row_of_dashes() -> None:
    (_, row) = render_failovers(read_database(build_database(failovers=[{}]))).splitlines()
    assert row.split() == ["-"] * 8


def test_no_failover_is_said() -> None:
    assert render_failovers(read_database(build_database())) == "no failover of demo/flights is on record"


def test_the_document_has_the_status_in_its_own_words_and_the_findings() -> None:
    manifest = with_condition("Degraded", "True")
    (entry,) = json.loads(json.dumps(build_document([manifest])))
    assert (entry["namespace"], entry["name"], entry["phase"], entry["statusIsCurrent"]) == (
        "demo",
        "flights",
        "Ready",
        True,
    )
    assert [finding["type"] for finding in entry["findings"]] == ["Degraded"]
    assert entry["shards"] == manifest["status"]["shards"]
    assert "expansion" not in entry
