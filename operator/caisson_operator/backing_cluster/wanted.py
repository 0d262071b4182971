"""What the resource asks for, in the room's own words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from caisson_operator.api.backing_cluster_spec import BackingType, Persistence, Topology
from caisson_operator.api.definition import GROUP, VERSION
from caisson_operator.api.resource import BackingCluster
from caisson_operator.api.sharded_database_spec import DeletionPolicy
from caisson_operator.core.images import Images
from caisson_operator.core.objects import Owner

KIND = "BackingCluster"


@dataclass(frozen=True, slots=True)
class Wanted:
    owner: Owner
    type: BackingType
    is_replicated: bool
    """One primary or leader for all; False for independent primaries."""
    members: int
    image: str
    storage_size: str
    storage_class: str | None
    resources: Mapping[str, Mapping[str, str]]
    fsync: str
    replace_delay_seconds: float

    @property
    def is_redis(self) -> bool:
        return self.type is BackingType.REDIS

    @property
    def majority(self) -> int:
        return self.members // 2 + 1


def read_wanted(resource: BackingCluster, images: Images) -> Wanted:
    spec = resource.spec
    is_redis = spec.type is BackingType.REDIS
    keeps = spec.deletion_policy is DeletionPolicy.RETAIN
    place = (resource.namespace, resource.name, resource.metadata.uid)
    return Wanted(
        owner=Owner(f"{GROUP}/{VERSION}", KIND, *place, keeps_data=keeps),
        type=spec.type,
        is_replicated=not is_redis or spec.topology is not Topology.INDEPENDENT,
        members=spec.members,
        image=images.redis if is_redis else images.zookeeper,
        storage_size=spec.storage.size,
        storage_class=spec.storage.storage_class_name,
        resources=spec.resources.model_dump(by_alias=True, exclude_none=True),
        fsync=str(spec.persistence or Persistence.EVERY_SECOND),
        replace_delay_seconds=spec.member_replace_delay_seconds,
    )
