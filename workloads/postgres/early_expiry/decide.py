"""Whether a silent leader's lead may be ended from here, and the steps that end it, in their order. Pure.

Everything is read anew for this, the leader's record first: its version is what the last step depends on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .records import LeaderRecord, OwnMember, SyncRecord
from .timings import Timings
from .watch import SHORTEST, Watch


@dataclass(frozen=True, slots=True)
class TouchSync:
    """Write to `<scope>-sync` if it still has this version: what the leader has in flight for it then fails."""

    version: str


@dataclass(frozen=True, slots=True)
class HideMember:
    """Take the status away from the leader's pod: the race skips two seconds of waiting for its dead REST API."""

    name: str


@dataclass(frozen=True, slots=True)
class ExpireLeader:
    """Take the leader out of its record if that still has this version."""

    version: str


Step = TouchSync | HideMember | ExpireLeader


@dataclass(frozen=True, slots=True)
class Expire:
    """To be done in this order. A step that is refused ends it: the next attempt reads everything anew."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """`watch` is why it came to this, by the timings that were known then; the others were read after it, in this order."""

    name: str
    watch: Watch
    record: LeaderRecord
    sync: SyncRecord
    own: OwnMember
    timings: Timings = SHORTEST

    @property
    def leader(self) -> str | None:
        return self.watch.record.leader


def decide_expiry(case: Case) -> Expire | Refuse:
    for reason, holds in OBSTACLES:
        if holds(case):
            return Refuse(reason)
    hiding = (HideMember(str(case.leader)),) if case.watch.is_rest_down else ()
    return Expire((TouchSync(case.sync.version), *hiding, ExpireLeader(case.record.version)))


def has_changed(case: Case) -> bool:
    known, now = case.watch.record, case.record
    return (known.leader, known.acquired, known.renewed) != (now.leader, now.acquired, now.renewed)


def is_in_time(case: Case) -> bool:
    """By the timings as they are now: a leader that is to renew less often than it did is not silent yet."""
    return case.watch.not_renewed_seconds < case.timings.not_renewed


def is_named(case: Case) -> bool:
    return case.name in case.sync.standbys


def is_running_standby(case: Case) -> bool:
    status = case.own.status or {}
    return status.get("state") == "running" and status.get("role") == "replica"


def says(case: Case, key: str) -> bool:
    return bool((case.own.status or {}).get(key))


def is_replay_paused(case: Case) -> bool:
    return bool(((case.own.status or {}).get("xlog") or {}).get("paused"))


def is_blind(case: Case) -> bool:
    age = case.own.store_age_seconds
    return age is None or age > case.timings.store_age


OBSTACLES: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("the leader's record has changed meanwhile", has_changed),
    ("the leader's record is not overdue by the timings that hold now", is_in_time),
    ("replication is asynchronous: no standby is known to have every commit", lambda case: case.sync.leader is None),
    ("the record of synchronous replication is not the leader's", lambda case: case.sync.leader != case.leader),
    ("this member is not the synchronous standby: it may lack commits", lambda case: not is_named(case)),
    ("with quorum commit no single standby ends the leader's acknowledgements", lambda case: case.sync.quorum > 0),
    ("this member's PostgreSQL does not answer", lambda case: not case.own.is_postgres_up),
    ("this member's Patroni does not answer", lambda case: case.own.status is None),
    ("this member is not a running standby", lambda case: not is_running_standby(case)),
    ("replay is paused on this member", is_replay_paused),
    ("Patroni is paused", lambda case: says(case, "pause")),
    # It would bring the old leader back for the rest of ttl, and nobody would lead.
    (
        "a leader without the store has asked this member to bear with it",
        lambda case: says(case, "failsafe_mode_is_active"),
    ),
    ("this member's Patroni has not reached the store lately", is_blind),
)
