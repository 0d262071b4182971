"""What the operator says about a ShardedDatabase: a cache of the truth, which lives on the shards.

Everything is optional and nothing is a trigger. Phases are free text in the schema, so that an older definition does
not refuse what a newer operator has to say.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from .base import Message, ShortText, Wire, keyed_by
from .failover_status import MAXIMUM_FAILOVERS, FailoverStatus, LeaderStatus, MemberName, SwitchoverStatus
from .status import Binding, Condition, Timestamp

_PHASE_SCHEMA = WithJsonSchema({"type": "string", "maxLength": 32})


class DatabasePhase(StrEnum):
    PENDING = "Pending"
    PROVISIONING = "Provisioning"
    READY = "Ready"
    EXPANDING = "Expanding"
    DEGRADED = "Degraded"
    REFUSED = "Refused"


class ExpansionPhase(StrEnum):
    PLANNING = "Planning"
    PROVISIONING = "Provisioning"
    COPYING = "Copying"
    DUAL_WRITING = "DualWriting"
    VERIFYING = "Verifying"
    SWITCHING = "Switching"
    COMPLETED = "Completed"
    PAUSED = "Paused"
    FAILED = "Failed"


class ShardStatus(Wire):
    """One shard as the operator last saw it."""

    name: ShortText
    """Name of the shard within its database: s0, s1 and so on."""
    primary: MemberName | None = None
    """Pod that takes writes; absent while there is none."""
    unprotected_since: Timestamp | None = None
    """Since when the operator has seen no synchronous standby beside the primary, where there should be one."""
    leader: LeaderStatus | None = None
    """The leader by Patroni's records, and its synchronous standby."""
    timeline: Annotated[int, Field(ge=0)] | None = None
    """PostgreSQL's timeline, which rises with each failover."""
    certificate_ends: Timestamp | None = None
    """When the certificate that its members show runs out. It is renewed after two thirds of its life."""
    members: Annotated[int, Field(ge=0)] = 0
    """Members that there should be."""
    ready_members: Annotated[int, Field(ge=0)] = 0
    """Members that are ready."""
    updated_members: Annotated[int, Field(ge=0)] = 0
    """Members that run what is wanted now: image, resources and settings."""
    buckets: Annotated[int, Field(ge=0)] = 0
    """Buckets that this shard owns, counted once for each table group."""


class SwitchGroupCounts(Wire):
    """How far the switch groups have come."""

    total: Annotated[int, Field(ge=0)] = 0
    """Switch groups of this expansion."""
    copied: Annotated[int, Field(ge=0)] = 0
    """Groups whose history is on the new shards."""
    verified: Annotated[int, Field(ge=0)] = 0
    """Groups of which every row was compared and found equal."""
    switched: Annotated[int, Field(ge=0)] = 0
    """Groups that the new shards own."""


class BucketCounts(Wire):
    """Buckets that this expansion moves."""

    total: Annotated[int, Field(ge=0)] = 0
    """Buckets that are to move."""
    moved: Annotated[int, Field(ge=0)] = 0
    """Buckets that have moved."""


class SwitchPause(Wire):
    """How long writes to a bucket waited while its group was switched, in milliseconds."""

    last: Annotated[int, Field(ge=0)] = 0
    """Of the last switch."""
    max: Annotated[int, Field(ge=0)] = 0
    """The longest of this expansion."""


class ExpansionStatus(Wire):
    """The expansion that runs, or the last one that ran."""

    id: Annotated[int, Field(ge=0)]
    """Number of the expansion, counted from 1."""
    phase: Annotated[ExpansionPhase, _PHASE_SCHEMA]
    """Planning, Provisioning, Copying, DualWriting, Verifying, Switching, Completed; or Paused, or Failed."""
    from_shards: Annotated[int, Field(ge=0)]
    """Shards before."""
    to_shards: Annotated[int, Field(ge=0)]
    """Shards afterwards."""
    switch_groups: SwitchGroupCounts = Field(default_factory=SwitchGroupCounts)
    """How far the switch groups have come."""
    buckets: BucketCounts = Field(default_factory=BucketCounts)
    """How many buckets move, and how many have."""
    rows_copied: Annotated[int, Field(ge=0)] = 0
    """Rows copied so far."""
    rows_total: Annotated[int, Field(ge=0)] | None = None
    """About how many rows move: an estimate from the statistics of the old shards, counted only as groups are verified."""
    copy_seconds_left: Annotated[int, Field(ge=0)] | None = None
    """About how many seconds the copy still takes at the pace so far: an estimate, only while rows are copied and where it can be told."""
    lag_bytes: Annotated[int, Field(ge=0)] = 0
    """How far the new shards are behind, in bytes of the write-ahead log."""
    switch_pause_milliseconds: SwitchPause = Field(default_factory=SwitchPause)
    """How long writes waited while their bucket was switched."""
    mismatches: Annotated[int, Field(ge=0)] = 0
    """Rows that differ between the two sides. Nothing switches while there is one."""
    started_at: Timestamp | None = None
    """When the expansion began."""
    finished_at: Timestamp | None = None
    """When the expansion ended."""
    message: Message | None = None
    """What it is doing or waiting for, and what to do if it failed."""


class ShardedDatabaseStatus(Wire):
    """What the operator last saw of the database."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status speaks of."""
    phase: Annotated[DatabasePhase, _PHASE_SCHEMA] | None = None
    """A summary in one word, for people."""
    shard_count: Annotated[int, Field(ge=0)] | None = None
    """Shards that exist, as the scale subresource tells it."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra=keyed_by("type")
    )
    """Ready, Progressing, SchemaApplied, Expanding, Degraded, Unprotected, FailoverBlocked, Updating and MemberLost, each with a stable reason."""
    binding: Binding | None = None
    """Where applications find how to connect."""
    credentials_rotation: ShortText | None = None
    """The last request to rotate credentials that the binding has followed."""
    operator_credentials_rotation: ShortText | None = None
    """The last request to rotate the operator's own credentials that every shard has followed."""
    member_credentials_rotation: ShortText | None = None
    """The last request to rotate the members' own credentials (Patroni's REST API, replication, rewind) that every member has followed."""
    shards: Annotated[tuple[ShardStatus, ...], Field(max_length=64)] = Field(
        default=(), json_schema_extra=keyed_by("name")
    )
    """The shards, one by one."""
    migrations_applied: Annotated[tuple[ShortText, ...], Field(max_length=200)] = Field(
        default=(), json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Ids of the migrations that were applied on a shard or more: these cannot be changed any more."""
    expansion: ExpansionStatus | None = None
    """The expansion that runs, or the last one that ran."""
    failovers: Annotated[tuple[FailoverStatus, ...], Field(max_length=MAXIMUM_FAILOVERS)] = Field(
        default=(), json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """The last ten failovers and switchovers of all shards, newest first, from the history that Patroni keeps."""
    switchover: SwitchoverStatus | None = None
    """The switchover that was asked for last, by the annotation caisson.dev/switchover, and what became of it."""
