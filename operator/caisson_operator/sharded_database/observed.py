"""What `observe` found, as frozen values. Pure; every field was read, none is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from caisson_operator.core.certificates import Authority, ServerCertificate
from caisson_operator.core.layout import (
    APPLICATION_ROLE,
    FIRST_LOGIN,
    FIRST_MEMBER_ROLES,
    REPLICATION_ROLE,
    Bucket,
    Leaf,
    Login,
    SwitchGroup,
)
from caisson_operator.core.volumes import Volume

from .patroni_state import NOTHING_TOLD, MemberState, PatroniState
from .recorded import NOTHING_RECORDED, Recorded


class Attachment(Enum):
    """How a leaf stands to its parent on one shard."""

    ABSENT = "absent"
    LOOSE = "loose"  # a table of its own: a copy not yet opened, or an old leaf already detached
    ATTACHED = "attached"
    DETACHING = "detaching"  # DETACH CONCURRENTLY has begun and has not been finalized


@dataclass(frozen=True, slots=True)
class LeafState:
    attachment: Attachment = Attachment.ABSENT
    is_tombstoned: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of `shard_map`: believed only where `owner` is the shard it was read from."""

    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class TableFindings:
    """A sharded table as the shard's catalog has it. Empty strings and tuples: there is no such thing."""

    kind: str = ""  # pg_class.relkind: "p" for a partitioned table
    strategy: str = ""  # pg_partitioned_table.partstrat: "h" for hash
    partition_key: tuple[str, ...] = ()
    key_types: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    foreign_keys_to: tuple[str, ...] = ()
    is_registered: bool = False
    referenced_by: tuple[str, ...] = ()  # tables with a foreign key to this one, or to a leaf of it
    has_deferrable_key: bool = False  # the primary key
    nondeterministic_key: tuple[str, ...] = ()  # columns of the partition key whose collation is not deterministic


@dataclass(frozen=True, slots=True)
class Subscription:
    is_enabled: bool
    tables: int
    tables_ready: int
    is_applying: bool


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """What is persisted on the target about one switch group (`caisson.switch_group`)."""

    source_timeline: int
    target_timeline: int
    copy_started_at: datetime
    copied_at: datetime | None = None
    is_indexed: bool = False
    rows: int = 0
    is_verified: bool = False
    mismatches: int = 0
    switched_at: datetime | None = None
    pause_milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Expansion:
    """The persisted machine (`caisson.expansion` on the first shard). `direction` leaves room for the way back."""

    number: int
    groups: tuple[SwitchGroup, ...]
    from_shards: int
    to_shards: int
    is_finished: bool
    started_at: datetime
    finished_at: datetime | None = None
    pause_milliseconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Standby:
    """A member that streams from the primary, as the primary sees it. The lag is what it has not replayed yet."""

    is_synchronous: bool
    lag_bytes: int
    user: str = REPLICATION_ROLE


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """In any of the server's databases; `is_here` where it is in the sharded one, whose leaves it may lock."""

    gid: str
    owner: str
    database: str
    age_seconds: float
    is_here: bool = True


@dataclass(frozen=True, slots=True)
class WritingTransaction:
    """An open transaction that has a transaction id, in any of the server's databases. `user` is the kind of process where it has none."""

    pid: int
    user: str
    application: str
    database: str | None
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard's catalogs and records, read in one go from its primary."""

    name: str
    timeline: int
    has_synchronous_standby: bool
    standbys: Mapping[str, Standby] = field(default_factory=dict)  # member -> only those that stream
    schema_version: int = 0
    migrations: Mapping[str, str] = field(default_factory=dict)  # id -> checksum
    tables: Mapping[str, TableFindings] = field(default_factory=dict)
    shard_map: Mapping[Bucket, Claim] = field(default_factory=dict)
    leaves: Mapping[Leaf, LeafState] = field(default_factory=dict)
    publications: frozenset[str] = frozenset()
    slots: Mapping[str, int] = field(default_factory=dict)  # name -> bytes of WAL it has not confirmed
    lost_slots: frozenset[str] = frozenset()  # whose WAL was removed, because it outgrew max_slot_wal_keep_size
    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    spare_workers: int = 32  # logical replication workers that no subscription, of whomever, has
    spare_slots: int = 32
    sentinels: frozenset[str] = frozenset()
    records: Mapping[tuple[int, int], GroupRecord] = field(default_factory=dict)  # (expansion, number)
    rows_arrived: Mapping[str, int] = field(default_factory=dict)  # leaf name -> rows that its subscription has brought
    row_estimates: Mapping[str, int] = field(default_factory=dict)  # name of an own leaf -> its rows, by statistics
    open_fences: int = 0
    unsettled_gates: int = 0  # of own buckets: a crash came between gate and map
    prepared_transactions: tuple[PreparedTransaction, ...] = ()  # the oldest first
    oldest_writer: WritingTransaction | None = None  # of the open transactions that have a transaction id
    known_shards: frozenset[str] = frozenset()
    logins: Mapping[str, str] = field(
        default_factory=lambda: {APPLICATION_ROLE: ""}
    )  # role -> Login.mark, RETIRING or RETIRED
    operator_rotation: str = ""  # request that the superuser's and the owner's passwords are of; empty: none yet
    member_roles: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(FIRST_MEMBER_ROLES, "")
    )  # role -> what mark_rotation says of the password that it lets in with, or RETIRED
    member_sessions: frozenset[str] = frozenset()  # those of the roles that somebody is in as
    expansion: Expansion | None = None

    def claims(self) -> dict[Bucket, Claim]:
        """What this shard says of itself: the only rows of its map that count."""
        return {bucket: claim for bucket, claim in self.shard_map.items() if claim.owner == self.name}

    def leaf(self, leaf: Leaf) -> LeafState:
        return self.leaves.get(leaf, LeafState())


def owners(shards: Mapping[str, Shard]) -> dict[Bucket, str]:
    """Who owns each bucket: of the shards' claims about themselves, the one with the highest epoch."""
    best: dict[Bucket, Claim] = {}
    for shard in shards.values():
        for bucket, claim in shard.claims().items():
            if bucket not in best or best[bucket].epoch < claim.epoch:
                best[bucket] = claim
    return {bucket: claim.owner for bucket, claim in best.items()}


@dataclass(frozen=True, slots=True)
class Pod:
    """A member. `role` is what Patroni says of it: primary, replica, or empty.

    A standby whose primary is gone is not ready, and the very one that is promoted: `is_running` says that its container
    runs on a node that is heard of.
    """

    name: str
    shard: str
    role: str
    is_ready: bool
    is_running: bool = True
    told: MemberState = NOTHING_TOLD
    uid: str = ""
    template: str = ""  # fingerprint of the template that it was made by
    node: str = ""
    is_leaving: bool = False
    unready_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Objects:
    """The database's Kubernetes objects. `contents` maps (kind, name) to the hash of what was applied."""

    has_credentials: bool = False
    login: Login = FIRST_LOGIN  # whom the binding lets applications log in as
    operator_rotation: str = ""  # request that the operator's own passwords are of; empty: those of the first day
    coming_rotation: str = ""  # request whose passwords are there beside them, until every shard has them
    member_rotation: str = ""  # request that the members' passwords are of; empty: those of the first day
    coming_member_rotation: str | None = None  # of those that are to be taken beside them; None: there are none
    previous_member_rotation: str | None = None  # of those that are taken still; None: there are none
    member_roles: tuple[str, str] = FIRST_MEMBER_ROLES  # that members come to each other as
    coming_member_roles: tuple[str, ...] = ()  # that they will
    passwords: Mapping[Login, str] = field(
        default_factory=dict, repr=False
    )  # of that one, and of the one that is asked for
    secret_uids: Mapping[str, str] = field(default_factory=dict)  # of those that are made once, by name
    has_volumes: bool = False
    authority: Authority | None = None
    certificates: Mapping[str, ServerCertificate] = field(default_factory=dict)  # shard -> what its pods mount
    volumes: tuple[Volume, ...] = ()
    contents: Mapping[tuple[str, str], str] = field(default_factory=dict)
    claimed_sizes: Mapping[str, str] = field(default_factory=dict)  # shard -> size of its StatefulSet's claims
    pods: tuple[Pod, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # shard -> what its Patroni runs with
    patroni: Mapping[str, PatroniState] = field(default_factory=dict)  # shard -> once it has bootstrapped
    cordoned: frozenset[str] = frozenset()  # nodes with a member of ours, as far as the operator may read nodes
    troubles: Mapping[str, str] = field(default_factory=dict)  # shard -> the last warning about its pods and volumes

    @property
    def shards(self) -> frozenset[str]:
        return frozenset(self.claimed_sizes)

    def is_synchronous(self, shard: str) -> bool:
        """Whether the shard's Patroni runs so, whatever the resource wants by now."""
        return self.settings.get(shard, {}).get("synchronous_mode") is True

    def pod(self, name: str) -> Pod | None:
        return next((pod for pod in self.pods if pod.name == name), None)

    def members(self, shard: str) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if pod.shard == shard)

    def is_leader(self, pod: Pod) -> bool:
        """By Patroni's record or by its label: while the two differ, both may be the one that has every commit."""
        state = self.patroni.get(pod.shard)
        return pod.role == "primary" or (state is not None and state.leader == pod.name)

    def is_ready(self, name: str) -> bool:
        """Whether there is a pod of this name, and ready."""
        pod = self.pod(name)
        return pod is not None and pod.is_ready


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything, read once. `unreachable` says why a shard is not among `shards`."""

    now: datetime
    objects: Objects
    shards: Mapping[str, Shard]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    recorded: Recorded = NOTHING_RECORDED
    # request of a switchover, or of a restart -> when this process asked Patroni
    asked_at: Mapping[str, datetime] = field(default_factory=dict)
    # claim -> why the API server has refused, not long ago, to let it grow to the size that is wanted
    refusals: Mapping[str, str] = field(default_factory=dict)


def find_running(observed: Observed) -> Expansion | None:
    """The expansion that is recorded and not finished, as the first shard has it."""
    found = find_latest(observed)
    return found if found and not found.is_finished else None


def find_latest(observed: Observed) -> Expansion | None:
    recorded = [shard.expansion for shard in observed.shards.values() if shard.expansion]
    return max(recorded, key=lambda expansion: expansion.number, default=None)
