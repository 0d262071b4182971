"""What the resource asks for, in the room's own words. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from caisson_operator.api.resource import ShardedDatabase
from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.core.layout import ShardAddress, Table, TableGroup, group_tables, shard_name

from .expansion import Pace
from .manifests import DatabaseIdentity, build_address

SWITCHOVER_ANNOTATION = "caisson.dev/switchover"


@dataclass(frozen=True, slots=True)
class Migration:
    id: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Engine:
    """What a new shard's pods run, and as whom."""

    image: str
    service_account: str


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
    switchover: str | None = None
    """What the annotation asks for, as it stands there."""

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
            is_paused=spec.expansion.paused,
            needs_standby=spec.members_per_shard > 1,
        ),
        engine=engine,
        storage_size=spec.storage.size,
        storage_class=spec.storage.storage_class_name,
        resources=spec.resources.model_dump(by_alias=True, exclude_none=True),
        switchover=resource.metadata.annotations.get(SWITCHOVER_ANNOTATION),
    )
