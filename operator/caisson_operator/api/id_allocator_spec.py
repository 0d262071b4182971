"""What a user asks of an IdAllocator. A field is here only if it works; each rule says no in words that help."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from caisson_operator.core.quantities import parse_duration_seconds

from .backend_reference import Reference
from .base import EMPTY, Duration, Wire, rule, rules
from .sharded_database_spec import DeletionPolicy, Resources

_FIXED = "is fixed once the allocator is made, since ids might come twice: make another allocator"


class Mode(StrEnum):
    SNOWFLAKE = "snowflake"
    SEGMENT = "segment"
    REDIS = "redis"
    UUID7 = "uuid7"


class IdBackendType(StrEnum):
    DATABASE = "database"
    REDIS = "redis"
    ZOOKEEPER = "zookeeper"


class IdBackend(Wire):
    """Where worker ids or ranges are given out. Fixed once the allocator is made."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self == oldSelf", f"backend {_FIXED}"),
            rule(
                "self.type == 'database' ? !has(self.clusterRef) : !has(self.databaseRef) && !has(self.secretRef)",
                "clusterRef is for types redis and zookeeper, databaseRef and secretRef are for type database",
            ),
            rule(
                "self.type != 'database' || has(self.databaseRef) != has(self.secretRef)",
                "type database needs a databaseRef (a ShardedDatabase) or a secretRef (any PostgreSQL), not both",
            ),
        )
    )

    type: IdBackendType
    """database (PostgreSQL), zookeeper or redis."""
    cluster_ref: Reference | None = None
    """A BackingCluster. Without it a cluster of its own is made, which goes with the allocator."""
    database_ref: Reference | None = None
    """A ShardedDatabase; its first shard is used."""
    secret_ref: Reference | None = None
    """A Secret whose key uri is a connection string of any PostgreSQL."""


class Snowflake(Wire):
    """Of mode snowflake: ids of a timestamp, a worker id and a sequence number. The bits and the epoch are fixed once made."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.sequenceBits >= 1",
                "these worker bits leave no sequence: sequenceBits has to be 1 or more",
            ),
            rule(
                "self.timestampBits + self.workerBits + self.sequenceBits <= 63",
                "timestampBits, workerBits and sequenceBits are more than 63 together: the worker bits leave no such sequence",
            ),
            rule(
                "self.timestampBits == oldSelf.timestampBits && self.workerBits == oldSelf.workerBits && "
                "self.sequenceBits == oldSelf.sequenceBits && self.epoch == oldSelf.epoch",
                f"the layout {_FIXED}",
            ),
            rule(
                "duration(self.maxRollback) < duration(self.reserve)",
                "maxRollback has to be less than reserve: time is gone on with only as far as it is reserved",
            ),
            rule(
                "duration(self.reserve) >= duration('2s') && duration(self.reserve) <= duration('1h')",
                "reserve has to be from 2s to 1h",
            ),
        )
    )

    timestamp_bits: Annotated[int, Field(ge=30, le=61)] = 41
    """Bits of the milliseconds since the epoch; 41 last for 69 years."""
    worker_bits: Annotated[int, Field(ge=1, le=32)] = 10
    """Bits of the worker id; 10 are enough for 1024 allocators at a time."""
    sequence_bits: Annotated[int, Field(ge=0, le=32)] = 12
    """Bits of the sequence; 12 are 4,096 ids a millisecond and worker."""
    epoch: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", max_length=20)] = (
        "2026-01-01T00:00:00Z"
    )
    """The moment that timestamps count from, such as 2026-01-01T00:00:00Z."""
    max_rollback: Duration = "1s"
    """How far the wall clock may go back without a pause: ids go on from the last time. Further back they are refused."""
    reserve: Duration = "10s"
    """For how long an allocator goes on without its store, and how long its worker id rests after it has died."""


# The API server judges the default itself by the rules above, before it fills in what is inside of it.
WHOLE_SNOWFLAKE: dict[str, Any] = {"default": Snowflake().model_dump(by_alias=True)}


class Segment(Wire):
    """Of mode segment: ids from ranges, small and ascending in each process."""

    step: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1000
    """The least number of ids that is fetched at a time. More are fetched as the load asks for it."""
    rated_per_second: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Ids a second and process that have to last through an outage from the first moment on; 0: what the load is seen to be."""
    outage: Duration = "10m"
    """How long the store may be away."""


class RedisIds(Wire):
    """Of mode redis: ids that must not be guessed."""

    most_step: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Each id is greater than the one before by a random number up to this."""


class IdServer(Wire):
    """Ids over HTTP, for programs in other languages: GET /next?count=100."""

    replicas: Annotated[int, Field(ge=0, le=64)] = 0
    """How many servers; 0: none, applications use the SDK."""
    resources: Resources = Field(default_factory=Resources, json_schema_extra=EMPTY)
    """Processor and memory of each server."""


class IdAllocatorSpec(Wire):
    """Ids that are unique without a central counter in their way."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.mode == oldSelf.mode", f"mode {_FIXED}"),
            rule("has(self.backend) == has(oldSelf.backend)", f"backend {_FIXED}"),
            rule(
                "self.mode == 'uuid7' ? !has(self.backend) : has(self.backend)",
                "mode uuid7 needs no backend; every other mode needs one",
            ),
            rule(
                "self.mode != 'snowflake' || !has(self.backend) || self.backend.type in ['database', 'zookeeper']",
                "mode snowflake leases its worker ids in a backend of type database or zookeeper",
            ),
            rule(
                "self.mode != 'segment' || !has(self.backend) || self.backend.type == 'database'",
                "mode segment takes its ranges from a backend of type database",
            ),
            rule(
                "self.mode != 'redis' || !has(self.backend) || self.backend.type == 'redis'",
                "mode redis counts in a backend of type redis",
            ),
        )
    )

    mode: Mode
    """snowflake: time, worker id and sequence; segment: ranges from a database; redis: not to be guessed; uuid7: 128 bits, no
    store. Fixed once the allocator is made."""
    backend: IdBackend | None = None
    """Where worker ids or ranges are given out; none for mode uuid7."""
    snowflake: Snowflake = Field(default_factory=Snowflake, json_schema_extra=WHOLE_SNOWFLAKE)
    """Of mode snowflake."""
    segment: Segment = Field(default_factory=Segment, json_schema_extra=EMPTY)
    """Of mode segment."""
    redis: RedisIds = Field(default_factory=RedisIds, json_schema_extra=EMPTY)
    """Of mode redis."""
    server: IdServer = Field(default_factory=IdServer, json_schema_extra=EMPTY)
    """Ids over HTTP."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens to a cluster of its own when the resource is deleted: Retain keeps its volumes. What a named backend has stored
    stays in either case, so that an allocator made again under the name repeats nothing."""

    @property
    def reserve_seconds(self) -> float:
        return parse_duration_seconds(self.snowflake.reserve)

    @property
    def max_rollback_seconds(self) -> float:
        return parse_duration_seconds(self.snowflake.max_rollback)

    @property
    def outage_seconds(self) -> float:
        return parse_duration_seconds(self.segment.outage)
