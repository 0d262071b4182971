"""How silence is counted: only what was seen without a gap, of a leader that was certainly renewing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from early_expiry.records import LeaderRecord
from early_expiry.watch import Look, Verdict, Watch, decide_verdict, forget_silence, must_probe, watch

RECORD = LeaderRecord(version="1", leader="flights-s0-0", acquired="a0", renewed="r0", address="10.0.0.1")
ME = "flights-s0-1"


@dataclass(frozen=True)
class Failed:
    """A look at a store that could not be read."""


def renewed(number: int, **other: str | None) -> LeaderRecord:
    return replace(RECORD, version=str(number), renewed=f"r{number}", **other)  # type: ignore[arg-type]


def look(at: float, record: LeaderRecord = RECORD, up: bool | None = None, rest: bool | None = None) -> Look:
    return Look(record, begun_at=at, read_at=at + 0.01, is_postgres_up=up, is_rest_up=rest)


def after(looks: Iterable[Look | Failed], known: Watch | None = None) -> Watch:
    for entry in looks:
        known = forget_silence(known) if isinstance(entry, Failed) else watch(known, entry)
    assert known is not None
    return known


def renewals(until: int = 3) -> list[Look]:
    return [look(float(second), renewed(second)) for second in range(until)]


def silence(start: float, end: float, record: LeaderRecord = RECORD, up: bool | None = False) -> list[Look]:
    """Every half second from `start` on, with failed signs of life (or what `up` says)."""
    steps = round((end - start) / 0.5)
    return [look(start + 0.5 * step, record, up, up) for step in range(steps + 1)]


LAST = renewed(2)


def test_a_leader_that_stops_renewing_and_answering_is_silent() -> None:
    known = after([*renewals(), *silence(2.9, 4.9, LAST)])
    assert decide_verdict(known, ME) == Verdict.EXPIRY_DUE
    assert known.is_rest_down


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([*renewals(), *silence(2.9, 3.9, LAST)], Verdict.LEADER_IN_TIME),
        ([*renewals(), *silence(2.9, 9.9, LAST, up=True)], Verdict.POSTGRES_ANSWERS),
        ([*renewals(), *silence(2.9, 9.4, LAST), look(9.9, LAST, up=True)], Verdict.POSTGRES_ANSWERS),
        ([*renewals(), *silence(2.9, 9.4, LAST), look(9.9, LAST)], Verdict.POSTGRES_ANSWERS),
        ([*renewals(), *silence(2.9, 9.4, LAST), look(9.9, renewed(3))], Verdict.LEADER_IN_TIME),
        (silence(0, 9), Verdict.NOT_SEEN_RENEWING),
        ([*renewals(2), *silence(1.9, 9.9, renewed(1))], Verdict.NOT_SEEN_RENEWING),
        ([*renewals(), *silence(2.9, 9.9, replace(LAST, address=None), up=None)], Verdict.NO_ADDRESS),
        ([*renewals(), *silence(2.9, 9.9, replace(LAST, leader=None))], Verdict.NO_LEADER),
        ([*renewals(), *silence(2.9, 9.9, replace(LAST, leader=ME))], Verdict.LEADS_ITSELF),
    ],
    ids=[
        "not-for-long",
        "postgres-answers",
        "postgres-answers-again",
        "postgres-was-not-asked",
        "renewed-at-last",
        "never-seen-renewing",
        "one-change-may-be-an-acquisition",
        "no-address",
        "nobody-leads",
        "it-leads-itself",
    ],
)
def test_nothing_else_is_silence(looks: list[Look], verdict: Verdict) -> None:
    assert decide_verdict(after(looks), ME) == verdict


@pytest.mark.parametrize(
    "gap",
    [[Failed()], [Failed(), Failed()], []],
    ids=["store-not-read-once", "store-not-read-twice", "agent-not-scheduled"],
)
def test_a_gap_begins_the_silence_anew_and_does_not_forget_that_the_leader_was_renewing(gap: list[Failed]) -> None:
    known = after([*renewals(), *silence(2.9, 4.4, LAST), *gap, *silence(7, 9, LAST)])
    assert decide_verdict(known, ME) == Verdict.LEADER_IN_TIME
    assert decide_verdict(after(silence(9.5, 10, LAST), known), ME) == Verdict.EXPIRY_DUE


def test_what_a_leader_writes_after_an_outage_is_not_taken_for_a_renewal() -> None:
    """It may have lost its record to ttl and acquired it again, under the same acquireTime."""
    outage: list[Look | Failed] = [*renewals(), Failed(), look(30, LAST)]
    acquired = [look(30.5, renewed(3)), *silence(31.4, 40, renewed(3))]
    assert decide_verdict(after([*outage, *acquired]), ME) == Verdict.NOT_SEEN_RENEWING
    renewing = [look(30.5, renewed(3)), look(31.5, renewed(4)), *silence(32.4, 40, renewed(4))]
    assert decide_verdict(after([*outage, *renewing]), ME) == Verdict.EXPIRY_DUE


def test_what_a_leader_writes_after_a_long_silence_is_not_taken_for_a_renewal() -> None:
    late = [*renewals(), *silence(2.9, 24.9, LAST, up=True), look(25, renewed(3)), *silence(25.9, 30, renewed(3))]
    assert decide_verdict(after(late), ME) == Verdict.NOT_SEEN_RENEWING


def test_a_lead_that_was_acquired_anew_is_another_lead() -> None:
    other = renewed(3, acquired="a3")
    known = after([*renewals(), look(3, other), *silence(3.9, 9.9, other)])
    assert decide_verdict(known, ME) == Verdict.NOT_SEEN_RENEWING


def test_silence_is_counted_from_the_end_of_one_read_to_the_beginning_of_another() -> None:
    known = after([Look(RECORD, begun_at=0, read_at=0.9), Look(RECORD, begun_at=1.0, read_at=1.9)])
    assert known.not_renewed_seconds == pytest.approx(0.1)


def test_only_a_leader_that_is_late_is_asked_for_a_sign_of_life() -> None:
    known = after(renewals())
    assert not must_probe(known, LAST, 2.5)
    assert must_probe(known, LAST, 2.9)
    assert not must_probe(known, renewed(3), 2.9)
    assert not must_probe(known, replace(LAST, leader=None), 2.9)
    assert not must_probe(None, LAST, 2.9)


def test_a_rest_api_that_answers_once_is_not_down() -> None:
    looks = [*renewals(), *silence(2.9, 4.4, LAST), look(4.9, LAST, up=False, rest=True)]
    known = after(looks)
    assert decide_verdict(known, ME) == Verdict.EXPIRY_DUE
    assert not known.is_rest_down
