"""Who leads, decided from a Lease. Pure: clocks' readings are passed in.

Invariants:
- another's Lease has expired only once *we* have seen it unchanged for its whole duration on our own monotonic clock;
  the times written in it come from other clocks and are for people;
- a term never repeats and never falls, even if the Lease is deleted in between: it is at least the Unix time;
- an identity is a pod's name, and a pod runs one operator at a time: a Lease that names us without our having claimed it
  is of a container that has died, or of a claim whose answer was lost, and may be claimed again at once, with a new term;
- the leader stops before its Lease can pass on: it counts from the moment *before* it asked for the last renewal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. The renew deadline must lie below the duration, with room for a clock that runs slightly fast.

    A leader that dies is followed within ten seconds: the duration, a retry, and the successor's first look at its cluster.
    """

    duration: float = 6.0
    renew_deadline: float = 4.0
    retry: float = 1.0
    request: float = 2.0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a Lease says. `version` is the object's resourceVersion, the compare of the compare-and-set."""

    holder: str
    term: int
    duration_seconds: float
    renewed_at: str
    acquired_at: str
    transitions: int
    version: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record, and when (monotonic seconds) we first saw it as it is."""

    record: LeaseRecord
    since: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Take the Lease with this term, against the record that was seen (None: there is no Lease yet)."""

    term: int
    over: LeaseRecord | None


@dataclass(frozen=True, slots=True)
class Follow:
    """Somebody else leads."""

    holder: str


def follow_record(earlier: Sighting | None, record: LeaseRecord, now: float) -> Sighting:
    """Keep the time of the first sighting as long as nothing in the record has moved."""
    return earlier if earlier is not None and earlier.record == record else Sighting(record, now)


def decide_candidacy(identity: str, sighting: Sighting | None, now: float, unix_seconds: int) -> Claim | Follow:
    if sighting is None:
        return Claim(unix_seconds, None)
    record = sighting.record
    is_another = record.holder not in ("", identity)
    if is_another and now - sighting.since < record.duration_seconds:
        return Follow(record.holder)
    return Claim(max(record.term + 1, unix_seconds), record)
