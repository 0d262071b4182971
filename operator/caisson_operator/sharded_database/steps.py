"""The steps that this room may plan, each one effect that is safe to repeat. `act.py` maps them to effects.

Order within an expansion's switch group, forward: RecordGroup, CreateTargetLeaves, CreatePublication, CreateSlot,
Subscribe, (copy), BuildIndexes, (catch up), Verify, then Fence, RaiseSourceGates, OpenTarget back to back; afterwards
DetachSource, Unsubscribe, DropSlot, DropPublication, DropSourceLeaves, DropSentinels. A group whose copy has gone stale goes
back through ForgetGroup, Unsubscribe, DropSlot, DropPublication, DropTargetLeaves, DropSentinels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import Bucket, ShardAddress, SwitchGroup, Table, TableGroup


@dataclass(frozen=True, slots=True)
class CreateCredentials(Step):
    """Make the Secret of credentials where there is none; what exists is never overwritten."""


@dataclass(frozen=True, slots=True)
class ApplyObjects(Step):
    """Server-side apply of one shard's (or the database's) Kubernetes objects."""

    manifests: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ConfigureShard(Step):
    """Lay these settings upon those that the shard's Patroni has, through this member (a pod's name)."""

    shard: str
    member: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnShard(Step):
    """A step that writes to one shard."""

    shard: str


@dataclass(frozen=True, slots=True)
class InstallSchema(OnShard):
    """The schema `caisson`: map, records, functions."""


@dataclass(frozen=True, slots=True)
class ApplyMigration(OnShard):
    id: str
    position: int
    sql: str
    checksum: str


@dataclass(frozen=True, slots=True)
class RegisterTables(OnShard):
    """Write `caisson.tables`; make gates and the groups' tables of idempotency keys."""

    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class PublishShards(OnShard):
    """Tell this shard, and with it the clients, where every shard is."""

    addresses: tuple[ShardAddress, ...]


@dataclass(frozen=True, slots=True)
class PlaceBuckets(OnShard):
    """First placement: make and attach these buckets' leaves and claim those that nobody has claimed."""

    group: TableGroup
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class StartExpansion(OnShard):
    """Persist the plan, before the first object of it is made."""

    number: int
    from_shards: int
    to_shards: int
    groups: tuple[SwitchGroup, ...]


@dataclass(frozen=True, slots=True)
class FinishExpansion(OnShard):
    """Persist that nothing of this expansion is left to do or to clean."""

    number: int
    pause_milliseconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DropSyncSlots(OnShard):
    """Slots of initial copies that died half-way; made by PostgreSQL itself, under names of its own."""


@dataclass(frozen=True, slots=True)
class EndFences(OnShard):
    """End the backend of a fence whose holder is gone, and wait until it is: only then do the catalogs tell its outcome."""


@dataclass(frozen=True, slots=True)
class Checkpoint(OnShard):
    """Write what is in memory to the disk, so that the shutdown of a switchover has little left to write."""


@dataclass(frozen=True, slots=True)
class SwitchOver(Step):
    """Ask the leader's Patroni to hand its lead to `member`, and wait until it says what came of it."""

    shard: str
    leader: str
    member: str
    request: str


@dataclass(frozen=True, slots=True)
class OnGroup(Step):
    """A step of one switch group."""

    group: SwitchGroup


@dataclass(frozen=True, slots=True)
class RecordGroup(OnGroup):
    """Persist both primaries' timelines on the target, before anything of this group is made."""

    source_timeline: int
    target_timeline: int


class CreateTargetLeaves(OnGroup):
    """Leaves with their primary key and the CHECK that spares ATTACH its scan, unattached; the sentinel."""


class CreatePublication(OnGroup): ...


class CreateSlot(OnGroup): ...


class Subscribe(OnGroup): ...


class BuildIndexes(OnGroup):
    """Every index of the parent, so that ATTACH adopts them; recorded when done."""


class Verify(OnGroup): ...


class Fence(OnGroup):
    """Lock, tombstone and new owner on the source, the tail drained and made durable on the target, then COMMIT."""


class RaiseSourceGates(OnGroup): ...


class OpenTarget(OnGroup): ...


class DetachSource(OnGroup): ...


class Unsubscribe(OnGroup): ...


class DropSlot(OnGroup): ...


class DropPublication(OnGroup): ...


class DropSourceLeaves(OnGroup): ...


class DropTargetLeaves(OnGroup): ...


class DropSentinels(OnGroup): ...


class ForgetGroup(OnGroup): ...
