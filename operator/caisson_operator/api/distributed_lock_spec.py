"""What a user asks of a DistributedLock. A field is here only if it works; each rule says no in words that help."""

from enum import StrEnum

from pydantic import ConfigDict

from .backend_reference import Reference
from .base import Duration, Wire, rule, rules
from .sharded_database_spec import DeletionPolicy

LONGEST_LEASE = "1h"


class LockBackendType(StrEnum):
    REDIS = "redis"
    REDLOCK = "redlock"
    ZOOKEEPER = "zookeeper"
    DATABASE = "database"


class LockBackend(Wire):
    """Where the locks are kept. Fixed once the lock space is made: the tokens of another store would not be greater."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self == oldSelf", "backend is fixed once the lock space is made: make another lock space"),
            rule(
                "self.type == 'database' || (!has(self.databaseRef) && !has(self.secretRef))",
                "databaseRef and secretRef are for type database; the other types are led to a cluster by clusterRef",
            ),
            rule(
                "self.type != 'database' || (!has(self.clusterRef) && has(self.databaseRef) != has(self.secretRef))",
                "type database wants one of databaseRef (a ShardedDatabase) and secretRef (the uri of any PostgreSQL)",
            ),
        )
    )

    type: LockBackendType
    """redis: one primary with Sentinel; redlock: a majority of independent Redis primaries; zookeeper; database: a table."""
    cluster_ref: Reference | None = None
    """A BackingCluster to keep the locks in. Without it the lock space gets one of its own, which goes with it."""
    database_ref: Reference | None = None
    """A ShardedDatabase, on whose first shard the locks are kept."""
    secret_ref: Reference | None = None
    """A Secret whose entry `uri` leads to any PostgreSQL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE."""


class DistributedLockSpec(Wire):
    """A space of locks with one policy."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "duration(self.lease) >= duration('500ms')", "a lease of less than 500ms can not be kept by any store"
            ),
            rule(
                "self.backend.type != 'zookeeper' || duration(self.lease) >= duration('4s')",
                "a lease on zookeeper is a session, of 4s at least: four ticks of the ensemble",
            ),
            rule(
                f"duration(self.lease) <= duration('{LONGEST_LEASE}')",
                "a lease of more than an hour would keep a dead holder's lock as long",
            ),
            rule(
                "!has(self.maxHold) || duration(self.maxHold) > duration('0s')",
                "maxHold is how long a hold may last: leave it out for no limit",
            ),
        )
    )

    backend: LockBackend
    """Where the locks are kept."""
    lease: Duration = "10s"
    """How long a lock stands without its holder being heard of: after a crash others wait as long."""
    fair: bool = True
    """Whether those who wait are served in the order of their coming."""
    reentrant: bool = True
    """Whether a thread or task that holds a lock may take it again."""
    max_hold: Duration | None = None
    """The longest that one hold may last, renewals and all. Without it there is no limit."""
    fencing: bool = True
    """Whether a hold can be used as a fence: db.run(key, fn, fence=held) lets a shard refuse who holds the lock no longer."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Whether the volumes of a cluster of its own are kept when the lock space is deleted (Retain), or go with it (Delete)."""
