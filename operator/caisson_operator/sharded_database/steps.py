"""The steps that this room may plan, each one effect that is safe to repeat. `room.py` maps them to effects, `act_on_shards.py` those on shards. Pure.

In this order: Kubernetes objects and settings; whom shards let in, and what the Secret of credentials holds for that; a shard's schema,
tables and first buckets; an expansion; a shard's members; a switch group.

Order within an expansion's switch group, forward: RecordGroup, CreateTargetLeaves, CreatePublication, CreateSlot,
Subscribe, (copy), BuildIndexes, (catch up), Verify, then Fence, OpenTarget back to back; afterwards
DetachSource, Unsubscribe, DropSlot, DropPublication, DropSourceLeaves, DropSentinels. A group whose copy has gone stale goes
back through ForgetGroup, Unsubscribe, DropSlot, DropPublication, DropTargetLeaves, DropSentinels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import Bucket, Login, ShardAddress, SwitchGroup, Table, TableGroup


@dataclass(frozen=True, slots=True)
class CreateCredentials(Step):
    """Make the Secret of credentials where there is none; what exists is never overwritten."""


@dataclass(frozen=True, slots=True)
class CreateAuthority(Step):
    """Make the Secret of the database's certificate authority where there is none; what exists is never overwritten."""


@dataclass(frozen=True, slots=True)
class IssueCertificate(Step):
    """Give this shard's members a new certificate: its Secret, which they mount."""

    shard: str


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
    """A step that is taken on one shard."""

    shard: str


@dataclass(frozen=True, slots=True)
class CheckParameters(OnShard):
    """Whether the shard's server would take these; a person has to correct those that it would not."""

    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LetIn(OnShard):
    """Let applications log in so, beside those that are let in already."""

    login: Login


@dataclass(frozen=True, slots=True)
class RetireRole(OnShard):
    """Let this role's password run out, after the time that clients need to hear of the other. Sessions that are open go on."""

    role: str


@dataclass(frozen=True, slots=True)
class PrepareOperatorPasswords(Step):
    """Have the Secret of credentials hold new passwords of superuser and owner beside those that hold, if it holds none yet."""

    rotation: str


@dataclass(frozen=True, slots=True)
class ChangeOperatorPasswords(OnShard):
    """Give both roles the passwords that the Secret has for this request."""

    rotation: str


@dataclass(frozen=True, slots=True)
class AdoptOperatorPasswords(Step):
    """Have what is coming be what is, if it is still of this request; `login` keeps its password."""

    rotation: str
    login: Login


@dataclass(frozen=True, slots=True)
class PrepareMemberPassword(Step):
    """Have the Secret of credentials hold new passwords of the members beside those that hold, if it holds these alone."""

    rotation: str


@dataclass(frozen=True, slots=True)
class AdoptMemberPassword(Step):
    """Have what is coming be what is, if it is still of this request, and keep what was beside it."""

    rotation: str


@dataclass(frozen=True, slots=True)
class RetireMemberPassword(Step):
    """Take away what was before the passwords of this request, if those are still what is."""

    rotation: str


@dataclass(frozen=True, slots=True)
class LetMembersIn(OnShard):
    """Let members log in as the roles that the Secret has for this request, beside those that are let in already."""

    rotation: str


@dataclass(frozen=True, slots=True)
class RetireMemberRoles(OnShard):
    """Let nobody log in as these any more. Sessions that are open go on."""

    roles: tuple[str, ...]


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
    """Slots of initial copies that died half-way; made by PostgreSQL itself, under names of its own.

    Those of subscriptions that `subscribers` (shards) had and have no more.
    """

    subscribers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndFences(OnShard):
    """End the backend of a fence whose holder is gone, and wait until it is: only then do the catalogs tell its outcome."""


@dataclass(frozen=True, slots=True)
class SettleGates(OnShard):
    """Bring gates and map together again, where a crash came between the two."""


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
class Evict(Step):
    """Have Kubernetes take this pod away, if its budget of disruptions admits it; its StatefulSet makes it anew."""

    shard: str
    member: str
    uid: str


@dataclass(frozen=True, slots=True)
class RestartMember(Step):
    """Have a member's Patroni restart PostgreSQL, if a setting waits for it, and if the member is what it is taken for."""

    shard: str
    member: str
    is_standby: bool
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


class Verify(OnGroup):
    """The target would take the leaves (an ATTACH that is rolled back), and they hold the same rows."""


class Fence(OnGroup):
    """Lock, tombstone and new owner on the source, the tail drained and made durable on the target, gates, then COMMIT."""


class OpenTarget(OnGroup):
    """Attach the leaves on the target and claim them; then raise its gates."""


class DetachSource(OnGroup): ...


class Unsubscribe(OnGroup): ...


class DropSlot(OnGroup): ...


class DropPublication(OnGroup): ...


class DropSourceLeaves(OnGroup): ...


class DropTargetLeaves(OnGroup): ...


class DropSentinels(OnGroup): ...


class ForgetGroup(OnGroup): ...
