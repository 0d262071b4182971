"""How long a leader has been silent, by this agent's own monotonic clock. Pure: what was seen, and when, is passed in.

Silence is counted over looks that follow each other closely. A store that could not be read, or an agent that was not
scheduled for a while, says nothing about the leader: then the counting begins anew.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from .records import LeaderRecord
from .timings import POSTGRES_DOWN_SECONDS, Timings

SHORTEST = Timings()
# The first change under our eyes may be an acquisition, whatever it looks like; the one after it is a renewal.
RENEWALS = 2


@dataclass(frozen=True, slots=True)
class Look:
    """One round. `begun_at` is before the record was read, `read_at` after; None: that was not asked."""

    record: LeaderRecord
    begun_at: float
    read_at: float
    is_postgres_up: bool | None = None
    is_rest_up: bool | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of the leader. Times in seconds of the monotonic clock.

    `renewals` are changes that followed each other closely under our eyes. `is_renewal`: the record as it stands was
    certainly written by a renewal, which stays true of it however long nobody looks.
    """

    record: LeaderRecord
    looked_at: float
    changed_at: float
    probed_at: float
    renewals: int = 0
    is_renewal: bool = False
    postgres_down_since: float | None = None
    rest_down_since: float | None = None

    @property
    def not_renewed_seconds(self) -> float:
        return self.looked_at - self.changed_at

    @property
    def postgres_down_seconds(self) -> float:
        return 0.0 if self.postgres_down_since is None else self.probed_at - self.postgres_down_since

    @property
    def rest_down_seconds(self) -> float:
        return 0.0 if self.rest_down_since is None else self.probed_at - self.rest_down_since

    @property
    def is_rest_down(self) -> bool:
        return self.rest_down_seconds >= POSTGRES_DOWN_SECONDS


class Verdict(StrEnum):
    """What follows from a watch alone. A message for people, and EXPIRY_DUE the only one that leads to more."""

    LEADS_ITSELF = "this member leads"
    NO_LEADER = "nobody leads"
    NO_ADDRESS = "the leader's record has no address"
    LEADER_IN_TIME = "the leader's record is not overdue"
    POSTGRES_ANSWERS = "the leader does not renew its record, but its PostgreSQL answers"
    NOT_SEEN_RENEWING = "the leader is silent, but was never seen renewing its record: left to Patroni's ttl"
    EXPIRY_DUE = "the leader is silent"


def watch(before: Watch | None, look: Look, timings: Timings = SHORTEST) -> Watch:
    """Whatever is unknown shortens the silence: it is counted from the end of one read to the beginning of another."""
    record = look.record
    fresh = Watch(record, looked_at=look.begun_at, changed_at=look.read_at, probed_at=look.read_at)
    if before is None or is_other_lead(before.record, record):
        return fresh
    has_gap = look.read_at - before.looked_at > timings.gap
    if record.renewed != before.record.renewed:
        is_steady = not has_gap and look.read_at - before.changed_at < timings.steady
        renewals = before.renewals + 1 if is_steady else 0
        return replace(fresh, renewals=renewals, is_renewal=renewals >= RENEWALS)
    if has_gap:
        return replace(fresh, is_renewal=before.is_renewal)
    return replace(
        before,
        record=record,
        looked_at=look.begun_at,
        probed_at=look.read_at,
        postgres_down_since=down_since(before.postgres_down_since, look.is_postgres_up, look.read_at),
        rest_down_since=down_since(before.rest_down_since, look.is_rest_up, look.read_at),
    )


def forget_silence(before: Watch | None) -> Watch | None:
    """After a look that failed: the next one stands behind a gap, however short it was."""
    return None if before is None else replace(before, looked_at=-inf)


def is_other_lead(one: LeaderRecord, other: LeaderRecord) -> bool:
    return (one.leader, one.acquired) != (other.leader, other.acquired)


def down_since(before: float | None, is_up: bool | None, now: float) -> float | None:
    """Not asked counts as up: silence is what was heard of all the time."""
    if is_up is None or is_up:
        return None
    return now if before is None else before


def must_probe(watch: Watch | None, record: LeaderRecord, now: float, timings: Timings = SHORTEST) -> bool:
    """Whether the leader is late, so that it has to be asked for a sign of life."""
    if watch is None or record.renewed != watch.record.renewed or is_other_lead(watch.record, record):
        return False
    return record.leader is not None and now - watch.changed_at >= timings.probe_after


def decide_verdict(watch: Watch, name: str, timings: Timings = SHORTEST) -> Verdict:
    """`name` is the member that the agent stands beside."""
    match watch:
        case Watch(record=LeaderRecord(leader=None)):
            return Verdict.NO_LEADER
        case Watch(record=LeaderRecord(leader=leader)) if leader == name:
            return Verdict.LEADS_ITSELF
        case _ if watch.not_renewed_seconds < timings.not_renewed:
            return Verdict.LEADER_IN_TIME
        case Watch(record=LeaderRecord(address=None)):
            return Verdict.NO_ADDRESS
        case _ if watch.postgres_down_seconds < POSTGRES_DOWN_SECONDS:
            return Verdict.POSTGRES_ANSWERS
        case _ if not watch.is_renewal:
            return Verdict.NOT_SEEN_RENEWING
        case _:
            return Verdict.EXPIRY_DUE
