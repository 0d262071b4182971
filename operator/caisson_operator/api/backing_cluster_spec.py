"""What a user asks of a BackingCluster. A field is here only if it works; each rule says no in words that help."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from caisson_operator.core.quantities import parse_duration_seconds

from .base import EMPTY, Duration, Quantity, Wire, rule, rules
from .sharded_database_spec import DeletionPolicy, Resources

_IS_EVEN = "an even number of members survives no more failures than one fewer, and costs one more"


class BackingType(StrEnum):
    REDIS = "redis"
    ZOOKEEPER = "zookeeper"


class Topology(StrEnum):
    REPLICATED = "replicated"
    INDEPENDENT = "independent"


class Persistence(StrEnum):
    EVERY_SECOND = "everysec"
    ALWAYS = "always"


class BackingStorage(Wire):
    """The volume of each member."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
                "storage.size can only grow: no volume can be made smaller",
            ),
            rule(
                "has(self.storageClassName) == has(oldSelf.storageClassName) && "
                "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
                "storage.storageClassName is fixed once the cluster is made",
            ),
        )
    )

    size: Quantity
    """Size of each member's volume, such as 1Gi. It can be raised, if the StorageClass allows that: volumes then grow while
    the cluster runs."""
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """StorageClass of the volumes. Without it the cluster's default class is used."""


class BackingClusterSpec(Wire):
    """A Redis or ZooKeeper cluster that locks and ids are kept in."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.members % 2 == 1", f"{_IS_EVEN}: set members to 1, 3, 5 or 7"),
            rule(
                "self.type != 'redis' || self.members >= 3",
                "a redis cluster has 3, 5 or 7 members: with fewer no majority is left when one is away",
            ),
            rule(
                "self.type == 'redis' || !has(self.topology)",
                "topology is for type redis: the members of a ZooKeeper ensemble are always replicas of each other",
            ),
            rule(
                "self.type == 'redis' || !has(self.persistence)",
                "persistence is for type redis: ZooKeeper writes every change to its disk before it answers",
            ),
            rule("self.type == oldSelf.type", "type is fixed once the cluster is made: make another cluster"),
            rule(
                "self.type != 'redis' || (has(self.topology) ? self.topology : 'replicated') == "
                "(has(oldSelf.topology) ? oldSelf.topology : 'replicated')",
                "topology is fixed once the cluster is made: make another cluster",
            ),
            rule(
                "!has(self.topology) || self.topology != 'independent' || self.members == oldSelf.members",
                "members of an independent cluster are fixed once it is made: clients that know the old ones and clients that "
                "know the new ones could each find a majority, and hold the same lock",
            ),
        )
    )

    type: BackingType
    """redis or zookeeper. Fixed once the cluster is made."""
    topology: Topology | None = None
    """Of type redis. replicated: one primary with replicas, and Sentinel, which finds another primary (the default).
    independent: primaries that know nothing of each other, for Redlock. Fixed once the cluster is made."""
    members: Annotated[int, Field(ge=1, le=7)] = 3
    """How many members: 3, 5 or 7, of type zookeeper also 1. kubectl scale backing/NAME --replicas=5."""
    member_replace_delay: Duration = "10m"
    """How long a member whose volume or node is gone for good may be away before it is made anew. One of an independent redis
    is away for at least an hour and three minutes: it comes back without its locks, whose leases must be over by then."""
    storage: BackingStorage
    """The volume of each member."""
    resources: Resources = Field(default_factory=Resources, json_schema_extra=EMPTY)
    """Processor and memory of each member."""
    persistence: Persistence | None = None
    """Of type redis: when a write reaches the disk. everysec: within a second, and a crash may lose that second (the default);
    always: before it is acknowledged. ZooKeeper always does the latter."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens to volumes and credentials when the resource is deleted. Retain keeps them, and making the resource
    again under the same name goes on with them. The epoch is kept in either case."""

    @property
    def member_replace_delay_seconds(self) -> float:
        return parse_duration_seconds(self.member_replace_delay)
