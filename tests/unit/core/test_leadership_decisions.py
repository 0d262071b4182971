"""Candidacy as a decision, and as a machine: in any order of polls and deaths, terms rise and leaders do not overlap."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from caisson_operator.core.leadership import (
    Claim,
    Follow,
    LeaseRecord,
    Sighting,
    Timing,
    decide_candidacy,
    follow_record,
)

TIMING = Timing()
RECORD = LeaseRecord("a", 100, TIMING.duration, "r0", "a0", 0, "v1")


def test_claims_a_lease_that_is_not_there_with_the_unix_time_as_term() -> None:
    assert decide_candidacy("b", None, 0.0, 1_700_000_000) == Claim(1_700_000_000, None)


def test_follows_while_the_record_has_not_stood_still_for_its_duration() -> None:
    assert decide_candidacy("b", Sighting(RECORD, 10.0), 15.9, 5) == Follow("a")


def test_claims_an_expired_lease_with_a_higher_term() -> None:
    assert decide_candidacy("b", Sighting(RECORD, 10.0), 16.0, 5) == Claim(101, RECORD)


def test_claims_a_released_lease_at_once() -> None:
    released = replace(RECORD, holder="")
    assert decide_candidacy("b", Sighting(released, 10.0), 10.0, 5) == Claim(101, released)


def test_claims_its_own_lease_of_an_earlier_container_anew() -> None:
    assert decide_candidacy("a", Sighting(RECORD, 10.0), 10.0, 5) == Claim(101, RECORD)


def test_a_renewal_starts_the_wait_again() -> None:
    first = follow_record(None, RECORD, 10.0)
    assert follow_record(first, RECORD, 14.0).since == 10.0
    assert follow_record(first, replace(RECORD, renewed_at="r1", version="v2"), 14.0).since == 14.0


def test_the_times_in_the_record_do_not_matter_since_they_come_from_another_clock() -> None:
    long_ago = replace(RECORD, renewed_at="1970-01-01T00:00:00.000000Z")
    assert decide_candidacy("b", follow_record(None, long_ago, 50.0), 51.0, 5) == Follow("a")


@st.composite
def schedules(draw: st.DrawFn) -> list[tuple[float, int, bool]]:
    """(seconds until, who, whether its request arrives): polls in any order, with pauses of any length."""
    turns = st.tuples(st.floats(0.05, 20.0), st.integers(0, 2), st.booleans())
    return draw(st.lists(turns, min_size=1, max_size=60))


class Replica:
    """A replica of the model: it renews or polls when its turn comes, and considers itself dead past its deadline."""

    def __init__(self, name: str, timing: Timing) -> None:
        self.name, self.timing = name, timing
        self.sighting: Sighting | None = None
        self.renewed: float | None = None

    def leads(self, now: float) -> bool:
        return self.renewed is not None and now - self.renewed < self.timing.renew_deadline


class Election:
    """Three replicas and what is stored; keeps the terms and the largest number of leaders at once."""

    def __init__(self, timing: Timing) -> None:
        self.timing, self.replicas = timing, [Replica(name, timing) for name in "abc"]
        self.stored: LeaseRecord | None = None
        self.terms: list[int] = []
        self.most_leaders = 0

    def play(self, schedule: list[tuple[float, int, bool]]) -> "Election":
        now = 0.0
        for version, (pause, who, arrives) in enumerate(schedule):
            now += pause
            self._turn(self.replicas[who], now, str(version), arrives)
            self.most_leaders = max(self.most_leaders, sum(replica.leads(now) for replica in self.replicas))
        return self

    def _turn(self, replica: Replica, now: float, version: str, arrives: bool) -> None:
        if not replica.leads(now) and replica.renewed is not None:
            replica.renewed, replica.sighting = None, None
        if not arrives:
            return
        if replica.leads(now) and self.stored is not None and self.stored.holder == replica.name:
            self.stored, replica.renewed = replace(self.stored, renewed_at=str(now), version=version), now
        elif not replica.leads(now):
            self._poll(replica, now, version)

    def _poll(self, replica: Replica, now: float, version: str) -> None:
        replica.sighting = follow_record(replica.sighting, self.stored, now) if self.stored else None
        decision = decide_candidacy(replica.name, replica.sighting, now, int(now))
        if isinstance(decision, Claim):
            self.stored = LeaseRecord(replica.name, decision.term, self.timing.duration, str(now), str(now), 0, version)
            replica.renewed = now
            self.terms.append(decision.term)


@given(schedules())
def test_two_replicas_never_lead_at_once_and_terms_only_rise(schedule: list[tuple[float, int, bool]]) -> None:
    election = Election(TIMING).play(schedule)
    assert election.most_leaders <= 1
    assert election.terms == sorted(set(election.terms))


def test_the_model_sees_two_leaders_where_the_deadline_lies_above_the_duration() -> None:
    """The control: without the one inequality that the election stands on, the model finds its fault."""
    careless = Timing(duration=2.0, renew_deadline=4.0)
    claim, first_sight, last_sight = (1.0, 0, True), (0.1, 1, True), (careless.duration, 1, True)
    assert Election(careless).play([claim, first_sight, last_sight]).most_leaders == 2
    careful = replace(careless, renew_deadline=1.5)
    assert Election(careful).play([claim, first_sight, last_sight]).most_leaders == 1
