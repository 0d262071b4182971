"""What Patroni keeps and tells, as values: the leader's record, that of synchronous replication, a member's own status. Pure.

Patroni 4.1: patroni/dcs/kubernetes.py (update_leader, attempt_to_acquire_leader, write_sync_state) and
patroni/api.py (get_postgresql_status).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LeaderRecord:
    """The Endpoints `<scope>`. `acquired` and `renewed` are the leader's own clock: compared for equality only."""

    version: str
    leader: str | None
    acquired: str
    renewed: str
    address: str | None


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """The Endpoints `<scope>-sync`. With a `quorum` above 0 not every named standby has every commit."""

    version: str
    leader: str | None
    standbys: frozenset[str]
    quorum: int


NO_SYNC = SyncRecord(version="", leader=None, standbys=frozenset(), quorum=0)


@dataclass(frozen=True, slots=True)
class OwnMember:
    """The member that the agent stands beside: its PostgreSQL, and what its Patroni says. None: it says nothing."""

    is_postgres_up: bool
    status: Mapping[str, Any] | None
    store_age_seconds: float | None = None


def parse_leader(endpoints: Mapping[str, Any]) -> LeaderRecord:
    annotations = annotations_of(endpoints)
    return LeaderRecord(
        version=endpoints["metadata"]["resourceVersion"],
        leader=annotations.get("leader") or None,
        acquired=annotations.get("acquireTime", ""),
        renewed=annotations.get("renewTime", ""),
        address=first_address(endpoints),
    )


def parse_sync(endpoints: Mapping[str, Any]) -> SyncRecord:
    annotations = annotations_of(endpoints)
    names = (annotations.get("sync_standby") or "").split(",")
    return SyncRecord(
        version=endpoints["metadata"]["resourceVersion"],
        leader=annotations.get("leader") or None,
        standbys=frozenset(name.strip() for name in names if name.strip()),
        quorum=int(annotations.get("quorum") or 0),
    )


def parse_own(is_postgres_up: bool, status: Mapping[str, Any] | None, date: str | None = None) -> OwnMember:
    """`date` is the answer's own (HTTP): the store's age is told between two readings of one clock, Patroni's, be that right or wrong."""
    last_seen, answered_at = None if status is None else status.get("dcs_last_seen"), read_date(date)
    if last_seen is None or answered_at is None:
        return OwnMember(is_postgres_up, status)
    return OwnMember(is_postgres_up, status, answered_at - last_seen)


def read_date(date: str | None) -> float | None:
    """Seconds since 1970; None where it says no date."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def annotations_of(endpoints: Mapping[str, Any]) -> Mapping[str, str]:
    return endpoints["metadata"].get("annotations") or {}


def first_address(endpoints: Mapping[str, Any]) -> str | None:
    """Where the leader's clients go: it writes its pod's address in the same step as its name."""
    addresses = [entry["ip"] for subset in endpoints.get("subsets") or [] for entry in subset.get("addresses") or []]
    return addresses[0] if addresses else None
