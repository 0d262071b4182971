"""What an agent expects of a leader follows from what Patroni runs with; as it is made, from the numbers that were measured."""

import json
from dataclasses import replace

import pytest

from early_expiry.decide import Case, Refuse, decide_expiry
from early_expiry.records import LeaderRecord, SyncRecord, parse_own
from early_expiry.timings import Timings, parse_timings
from early_expiry.watch import Look, Verdict, Watch, decide_verdict, must_probe, watch

RECORD = LeaderRecord(version="1", leader="flights-s0-0", acquired="a0", renewed="r0", address="10.0.0.1")
ME = "flights-s0-1"
SLOW = Timings(loop_wait=10, ttl=30)


def keep(text: str | None) -> dict[str, object]:
    return {"metadata": {"annotations": {} if text is None else {"config": text}}}


def renew(number: int) -> LeaderRecord:
    return replace(RECORD, renewed=f"r{number}")


def see_silence(seconds: float, timings: Timings, every: float = 10.0) -> Watch:
    """Three renewals, as often as they are due, and then none, while nothing answers."""
    known, at = None, 0.0
    while at <= 2 * every + seconds:
        record = renew(min(int(at / every), 2))
        is_up = None if not must_probe(known, record, at, timings) else False
        known = watch(known, Look(record, at, at + 0.01, is_up, is_up), timings)
        at = round(at + 0.5, 1)
    assert known is not None
    return known


def test_as_patroni_is_made_the_numbers_are_those_that_were_measured() -> None:
    made = Timings()
    assert (made.not_renewed, made.probe_after, made.calm, made.steady) == (2.5, 0.8, 0.0, 5.0)
    assert (made.gap, made.lost, made.store_age) == (2.0, 30.0, 5.0)


@pytest.mark.parametrize(
    ("text", "timings"),
    [
        (json.dumps({"ttl": 30, "loop_wait": 10, "retry_timeout": 10}), SLOW),
        (json.dumps({"loop_wait": 2}), Timings(loop_wait=2)),
        (None, Timings()),
        ("{}", Timings()),
        ("no json", Timings()),
        ("[]", Timings()),
        (json.dumps({"ttl": None}), Timings()),
    ],
)
def test_timings_are_read_from_what_patroni_keeps(text: str | None, timings: Timings) -> None:
    assert parse_timings(keep(text)) == timings


def test_a_leader_that_renews_seldom_is_not_late_before_its_time() -> None:
    assert decide_verdict(see_silence(9, SLOW), ME, SLOW) == Verdict.LEADER_IN_TIME
    assert decide_verdict(see_silence(13, SLOW), ME, SLOW) == Verdict.EXPIRY_DUE


def test_control_who_goes_by_the_shortest_timings_never_sees_it_renew_steadily() -> None:
    """Left to ttl, for want of two renewals that count."""
    assert decide_verdict(see_silence(13, Timings()), ME, Timings()) == Verdict.NOT_SEEN_RENEWING


@pytest.mark.parametrize("loop_wait", range(1, 60))
@pytest.mark.parametrize("retry_timeout", [3, 10])
def test_two_renewals_that_count_are_less_than_a_ttl_apart(loop_wait: int, retry_timeout: int) -> None:
    """With a gap before the first of them. And a leader that renews in time is always steady."""
    least_ttl = max(20, loop_wait + 2 * retry_timeout)
    timings = Timings(loop_wait, least_ttl)
    assert timings.steady + timings.gap < least_ttl
    assert timings.steady >= loop_wait + 1


def test_timings_that_have_just_changed_are_looked_at_once_more() -> None:
    silent = Watch(RECORD, looked_at=10, changed_at=7, probed_at=10, is_renewal=True, postgres_down_since=8)
    sync = SyncRecord(version="5", leader="flights-s0-0", standbys=frozenset({ME}), quorum=0)
    seen = {"state": "running", "role": "replica", "dcs_last_seen": 1000}
    own = parse_own(True, seen, "Thu, 01 Jan 1970 00:16:41 GMT")
    case = Case(ME, silent, RECORD, sync, own)
    assert not isinstance(decide_expiry(case), Refuse)
    assert decide_expiry(replace(case, timings=SLOW)) == Refuse(
        "the leader's record is not overdue by the timings that hold now"
    )
