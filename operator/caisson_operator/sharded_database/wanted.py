"""What the resource asks for, in the room's own words. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from caisson_operator.api.resource import ShardedDatabase
from caisson_operator.api.sharded_database_spec import Durability, Failover
from caisson_operator.core.layout import ShardAddress, Table, TableGroup, group_tables, shard_name

from .expansion import Pace
from .manifests import DatabaseIdentity, build_address

SWITCHOVER_ANNOTATION = "caisson.dev/switchover"
ROTATION_ANNOTATION = "caisson.dev/rotate-credentials"
OPERATOR_ROTATION_ANNOTATION = "caisson.dev/rotate-operator-credentials"
MEMBER_ROTATION_ANNOTATION = "caisson.dev/rotate-member-credentials"


@dataclass(frozen=True, slots=True)
class Migration:
    id: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Engine:
    """What the shards' pods run."""

    image: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The resource as the pure part reads it."""

    database: DatabaseIdentity
    shards: tuple[str, ...]
    members: int
    durability: Durability
    groups: dict[str, TableGroup]
    migrations: tuple[Migration, ...]
    pace: Pace
    engine: Engine
    storage_size: str
    storage_class: str | None
    resources: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, str] = field(default_factory=dict)
    failover: Failover | None = None
    """Patroni's timings, where they are not to be those that it starts with."""
    replace_delay_seconds: float = 600.0
    switchover: str | None = None
    """What the annotation asks for, as it stands there."""
    rotation: str | None = None
    """The request for another password of the applications, as it stands there."""
    operator_rotation: str | None = None
    """The same for the roles that the operator alone logs in as."""
    member_rotation: str | None = None
    """The same for what members call and come to each other with."""

    @property
    def is_synchronous(self) -> bool:
        """Whether every acknowledged commit must be on a standby too."""
        return self.members > 1 and self.durability is not Durability.ASYNCHRONOUS

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for group in self.groups.values() for table in group.tables)

    @property
    def addresses(self) -> tuple[ShardAddress, ...]:
        return tuple(build_address(self.database, shard) for shard in self.shards)


def read_wanted(resource: ShardedDatabase, engine: Engine) -> Wanted:
    spec = resource.spec
    tables = [Table(t.name, t.key, t.effective_group, t.strategy, t.buckets) for t in spec.tables]
    identity = DatabaseIdentity(resource.name, resource.namespace, resource.metadata.uid, spec.deletion_policy)
    return Wanted(
        database=identity,
        shards=tuple(shard_name(index) for index in range(spec.shards)),
        members=spec.members_per_shard,
        durability=spec.durability,
        groups=group_tables(tables),
        migrations=tuple(Migration(m.id, m.sql) for m in spec.database_schema.migrations),
        pace=Pace(
            switch_groups=spec.expansion.switch_groups,
            pause_between_groups_seconds=spec.expansion.pause_between_groups_seconds,
            max_parallel_copies=spec.expansion.max_parallel_copies,
            is_paused=spec.expansion.paused,
            needs_standby=spec.members_per_shard > 1,
        ),
        engine=engine,
        storage_size=spec.storage.size,
        storage_class=spec.storage.storage_class_name,
        resources=spec.resources.model_dump(by_alias=True, exclude_none=True),
        parameters=spec.parameters,
        failover=spec.failover,
        replace_delay_seconds=spec.member_replace_delay_seconds,
        switchover=resource.metadata.annotations.get(SWITCHOVER_ANNOTATION),
        rotation=resource.metadata.annotations.get(ROTATION_ANNOTATION),
        operator_rotation=resource.metadata.annotations.get(OPERATOR_ROTATION_ANNOTATION),
        member_rotation=resource.metadata.annotations.get(MEMBER_ROTATION_ANNOTATION),
    )
