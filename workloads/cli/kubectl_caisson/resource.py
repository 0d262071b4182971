"""A ShardedDatabase as the plugin reads it: a frozen view of the JSON. Pure.

Everything in a status is optional, and older or newer operators write less or more: what is absent is None or empty, never
an error. What is not there is not made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Shard:
    name: str
    primary: str | None
    timeline: int | None
    members: int
    ready_members: int
    buckets: int
    synchronous_standby: str | None


@dataclass(frozen=True, slots=True)
class Expansion:
    """The last expansion, running or not. Counts are as the operator has them."""

    id: int
    phase: str
    from_shards: int
    to_shards: int
    groups: Mapping[str, int]
    buckets: Mapping[str, int]
    pause_milliseconds: Mapping[str, int]
    rows_copied: int
    rows_total: int | None
    """By the statistics of the old shards; None where it is not known, as with an operator that does not tell it."""
    copy_seconds_left: int | None
    lag_bytes: int
    mismatches: int
    started_at: datetime | None
    finished_at: datetime | None
    message: str

    @property
    def is_running(self) -> bool:
        return self.phase not in ("Completed", "Failed")


@dataclass(frozen=True, slots=True)
class Failover:
    shard: str | None
    at: datetime | None
    origin: str | None
    successor: str | None
    timeline_before: int | None
    timeline_after: int | None
    duration_seconds: float | None
    cause: str | None
    lost: str | None


@dataclass(frozen=True, slots=True)
class Switchover:
    """The last one that the operator has taken up; `request` is the id that was asked for in the annotation."""

    request: str
    phase: str
    shard: str | None
    origin: str | None
    successor: str | None
    message: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    namespace: str
    wanted_shards: int
    is_paused: bool
    group_buckets: Mapping[str, int]
    durability: str
    members_per_shard: int
    annotations: Mapping[str, str]
    generation: int
    observed_generation: int | None
    phase: str | None
    conditions: tuple[Condition, ...]
    shards: tuple[Shard, ...]
    expansion: Expansion | None
    failovers: tuple[Failover, ...]
    switchover: Switchover | None

    @property
    def is_seen(self) -> bool:
        """Whether the status speaks of the spec as it is now."""
        return self.observed_generation is not None and self.observed_generation >= self.generation


def read_database(manifest: Mapping[str, Any]) -> Database:
    metadata, spec, status = (manifest.get(part) or {} for part in ("metadata", "spec", "status"))
    return Database(
        name=metadata["name"],
        namespace=metadata["namespace"],
        wanted_shards=spec.get("shards", 1),
        is_paused=spec.get("expansion", {}).get("paused", False),
        group_buckets={
            table.get("group") or table["name"]: table.get("buckets", 64) for table in spec.get("tables", ())
        },
        durability=spec.get("durability", "synchronous"),
        members_per_shard=spec.get("membersPerShard", 2),
        annotations=metadata.get("annotations") or {},
        generation=metadata.get("generation", 0),
        observed_generation=status.get("observedGeneration"),
        phase=status.get("phase"),
        conditions=read_conditions(status),
        shards=tuple(_shard(entry) for entry in status.get("shards", ())),
        expansion=_expansion(status["expansion"]) if status.get("expansion") else None,
        failovers=tuple(_failover(entry) for entry in status.get("failovers", ())),
        switchover=_switchover(status["switchover"]) if status.get("switchover") else None,
    )


def read_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def read_conditions(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    return tuple(_condition(entry) for entry in status.get("conditions", ()))


def _condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        entry["type"],
        entry["status"],
        entry.get("reason", ""),
        entry.get("message", ""),
        read_moment(entry.get("lastTransitionTime")),
    )


def _shard(entry: Mapping[str, Any]) -> Shard:
    return Shard(
        name=entry["name"],
        primary=entry.get("primary"),
        timeline=entry.get("timeline"),
        members=entry.get("members", 0),
        ready_members=entry.get("readyMembers", 0),
        buckets=entry.get("buckets", 0),
        synchronous_standby=(entry.get("leader") or {}).get("synchronousStandby"),
    )


def _expansion(entry: Mapping[str, Any]) -> Expansion:
    return Expansion(
        id=entry.get("id", 0),
        phase=entry.get("phase", "Unknown"),
        from_shards=entry.get("fromShards", 0),
        to_shards=entry.get("toShards", 0),
        groups=entry.get("switchGroups", {}),
        buckets=entry.get("buckets", {}),
        pause_milliseconds=entry.get("switchPauseMilliseconds", {}),
        rows_copied=entry.get("rowsCopied", 0),
        rows_total=entry.get("rowsTotal"),
        copy_seconds_left=entry.get("copySecondsLeft"),
        lag_bytes=entry.get("lagBytes", 0),
        mismatches=entry.get("mismatches", 0),
        started_at=read_moment(entry.get("startedAt")),
        finished_at=read_moment(entry.get("finishedAt")),
        message=entry.get("message", ""),
    )


def _failover(entry: Mapping[str, Any]) -> Failover:
    lost = entry.get("lost")
    return Failover(
        shard=entry.get("shard"),
        at=read_moment(entry.get("at")),
        origin=entry.get("from"),
        successor=entry.get("to"),
        timeline_before=entry.get("timelineBefore"),
        timeline_after=entry.get("timelineAfter"),
        duration_seconds=entry.get("durationSeconds"),
        cause=entry.get("cause"),
        lost=None if lost is None else str(lost),
    )


def _switchover(entry: Mapping[str, Any]) -> Switchover:
    return Switchover(
        request=entry.get("request", ""),
        phase=entry.get("phase", "Unknown"),
        shard=entry.get("shard"),
        origin=entry.get("from"),
        successor=entry.get("to"),
        message=entry.get("message", ""),
        at=read_moment(entry.get("at")),
    )
