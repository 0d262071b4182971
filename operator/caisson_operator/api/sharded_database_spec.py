"""What a user asks of a ShardedDatabase. A field is here only if it works; each rule says no in words that help."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from caisson_operator.core.quantities import parse_duration_seconds

from .base import EMPTY, ColumnName, Duration, Quantity, SqlName, Wire, keyed_by, rule, rules
from .postgresql_parameters import Parameters

MAXIMUM_TABLES = 64
MAXIMUM_MIGRATIONS = 200


class Durability(StrEnum):
    SYNCHRONOUS = "synchronous"
    STRICT = "strict"
    ASYNCHRONOUS = "asynchronous"


class DeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class Engine(Wire):
    """The database engine that every shard runs. Fixed once the resource is made."""

    model_config = ConfigDict(
        json_schema_extra=rules(rule("self == oldSelf", "the engine is fixed once the database is made"))
    )

    type: Literal["postgresql"] = "postgresql"
    """Kind of engine."""
    version: Literal["15"] = "15"
    """Major version of the engine."""


class Storage(Wire):
    """The volume of each member of each shard."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
                "storage.size can only grow: no volume can be made smaller",
            ),
            rule(
                "has(self.storageClassName) == has(oldSelf.storageClassName) && "
                "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
                "storage.storageClassName is fixed once the database is made",
            ),
        )
    )

    size: Quantity
    """Size of each volume, such as 2Gi. Every member of every shard has one. It can be raised, if the StorageClass allows
    that: volumes then grow while the database runs."""
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """StorageClass of the volumes. Without it the cluster's default class is used."""


class ResourceAmounts(Wire):
    """Amounts of processor and memory."""

    cpu: Quantity | None = None
    """Processor time, such as 500m (half a core) or 2."""
    memory: Quantity | None = None
    """Memory, such as 512Mi."""


class Resources(Wire):
    """What each member's engine asks for and may use at most."""

    requests: ResourceAmounts | None = None
    """What the scheduler sets aside for each member."""
    limits: ResourceAmounts | None = None
    """What each member may use at most."""


class Migration(Wire):
    """One change of the schema, run once on every shard, in one transaction, as the role caisson_owner."""

    id: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the migration, unique in the list."""
    sql: Annotated[str, Field(min_length=1, max_length=65536)]
    """The SQL text. It may change until it has been applied on a shard."""


class Schema(Wire):
    """The schema of the application's database, the same on every shard."""

    migrations: Annotated[tuple[Migration, ...], Field(max_length=MAXIMUM_MIGRATIONS)] = Field(
        default=(), json_schema_extra=keyed_by("id")
    )
    """Migrations in the order in which they are applied. Add new ones at the end; those applied stay as they are."""


class Table(Wire):
    """One table whose rows are spread over the shards by a key. Fixed once made."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.key == oldSelf.key", "a table's key is fixed once made"),
            rule("self.strategy == oldSelf.strategy", "a table's strategy is fixed once made"),
            rule("self.buckets == oldSelf.buckets", "a table's buckets are fixed once made"),
            rule(
                "has(self.group) == has(oldSelf.group) && (!has(self.group) || self.group == oldSelf.group)",
                "a table's group is fixed once made",
            ),
        )
    )

    name: SqlName = Field(
        json_schema_extra=rules(
            rule("!self.matches('_b[0-9]+$')", "a table's name may not end like a bucket's partition (_b and a number)")
        )
    )
    """Name of the table, which a migration makes with PARTITION BY HASH (the key)."""
    key: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=8)] = Field(
        json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Columns of the sharding key, in order. The table's primary key must contain them."""
    group: SqlName | None = None
    """Tables of one group have the same keys and buckets, and live and move together. Without it: one of its own."""
    strategy: Literal["hash"] = "hash"
    """How keys are spread over buckets."""
    buckets: Annotated[int, Field(ge=1, le=1024)] = 64
    """How many parts the table is cut into: the units that move, and the largest number of shards."""

    @property
    def effective_group(self) -> str:
        return self.group or self.name


class Expansion(Wire):
    """How data moves to new shards when spec.shards grows. May be changed while it runs."""

    switch_groups: Annotated[int, Field(ge=1, le=64)] = 8
    """How many steps the switch to the new shards takes."""
    pause_between_groups: Duration = "0s"
    """How long to rest between two steps of the switch, such as 500ms or 1m30s."""
    max_parallel_copies: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many steps may be copied at a time; without it one on each route from a source to a target. Fewer are kinder to writes
    where shards share machines."""
    paused: bool = False
    """Hold the expansion where it stands; reads and writes go on."""

    @property
    def pause_between_groups_seconds(self) -> float:
        return parse_duration_seconds(self.pause_between_groups)


class Failover(Wire):
    """When Patroni takes a leader for lost. May be changed at any time; no member is restarted for it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.loopWaitSeconds + 2 * self.retryTimeoutSeconds <= self.ttlSeconds",
                "a leader must look around, ask the store and write to it within ttlSeconds, or lose its lead: "
                "loopWaitSeconds + 2 * retryTimeoutSeconds must be at most ttlSeconds (by default 1 + 2 * 3 <= 20)",
                # By format: of strings that are put together by + the server cannot tell how long they become.
                "'a leader must look around, ask the store and write to it within ttlSeconds, or lose its lead: "
                "loopWaitSeconds + 2 * retryTimeoutSeconds must be at most ttlSeconds, and %d + 2 * %d = %d is more than %d'"
                ".format([self.loopWaitSeconds, self.retryTimeoutSeconds, "
                "self.loopWaitSeconds + 2 * self.retryTimeoutSeconds, self.ttlSeconds])",
            )
        )
    )

    ttl_seconds: Annotated[int, Field(ge=20, le=3600)] = 20
    """How long a lead lasts without being renewed: after a loss that nobody sees sooner, so long nobody writes."""
    loop_wait_seconds: Annotated[int, Field(ge=1, le=600)] = 1
    """How often each member looks around, and the leader renews its lead."""
    retry_timeout_seconds: Annotated[int, Field(ge=3, le=600)] = 3
    """How long a member asks an API server or a PostgreSQL that does not answer again, before it takes it for away."""


_GROUP_OF = "(has({0}.group) ? {0}.group : {0}.name)"
_SAME_GROUP = f"{_GROUP_OF.format('t')} == {_GROUP_OF.format('u')}"


class ShardedDatabaseSpec(Wire):
    """A PostgreSQL database in several shards, each of them one primary with standbys."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.durability == 'asynchronous' || self.membersPerShard >= 2",
                "durability synchronous and strict need a standby: set membersPerShard to 2 or more, "
                "or durability to asynchronous",
            ),
            rule("self.tables.all(t, t.buckets >= self.shards)", "a table needs at least as many buckets as shards"),
            rule(
                f"self.tables.all(t, self.tables.all(u, !({_SAME_GROUP}) || "
                "(t.buckets == u.buckets && t.strategy == u.strategy && t.key.size() == u.key.size())))",
                "tables of one group need the same number of buckets, the same strategy and as many key columns",
            ),
        )
    )

    engine: Engine = Field(default_factory=Engine, json_schema_extra=EMPTY)
    """The engine that every shard runs."""
    shards: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        json_schema_extra=rules(
            rule("self >= oldSelf", "shards can only grow for now: taking shards away is not built yet")
        ),
    )
    """How many shards. Raise it to expand online: kubectl scale sdb/NAME --replicas=4."""
    members_per_shard: Annotated[int, Field(ge=1, le=5)] = 2
    """Members of each shard: one primary, the rest standbys."""
    member_replace_delay: Duration = "10m"
    """How long a standby whose volume or node is gone for good may be away before it is made anew, as a copy of its primary."""
    storage: Storage
    """The volume of each member."""
    resources: Resources = Field(default_factory=Resources, json_schema_extra=EMPTY)
    """Processor and memory of each member."""
    parameters: Parameters = Field(default_factory=dict)
    """PostgreSQL's parameters beside those that Caisson sets, such as shared_buffers: 1GB. One that takes a restart reaches the
    standbys first, then the primary by a switchover. One that is taken out goes back to its default."""
    database_schema: Schema = Field(default_factory=Schema, alias="schema", json_schema_extra=EMPTY)
    """The schema of the application's database."""
    tables: Annotated[tuple[Table, ...], Field(max_length=MAXIMUM_TABLES)] = Field(
        default=(),
        json_schema_extra={
            **keyed_by("name"),
            **rules(
                rule(
                    "oldSelf.all(o, self.exists(n, n.name == o.name))",
                    "a sharded table cannot be taken out of the list: its rows are spread by it",
                )
            ),
        },
    )
    """Tables whose rows are spread over the shards. One that is not named here has rows of its own on every shard."""
    durability: Durability = Durability.SYNCHRONOUS
    """When a commit is acknowledged. synchronous: a standby has it, but writes go on if no standby is left;
    strict: a standby always has it, else writes wait (three members advised: of two, the one standby's restart holds them up);
    asynchronous: the primary alone has it."""
    failover: Failover | None = None
    """Timings of failover. Without it they are the shortest there are, and those are right for most."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens to volumes and credentials when the resource is deleted. Retain keeps them, and making the resource
    again under the same name brings every row back."""
    expansion: Expansion = Field(default_factory=Expansion, json_schema_extra=EMPTY)
    """How data moves when shards grows."""

    @property
    def member_replace_delay_seconds(self) -> float:
        return parse_duration_seconds(self.member_replace_delay)
