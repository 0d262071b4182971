"""What the resource asks for, in the room's own words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caisson_operator.api.definition import GROUP, VERSION
from caisson_operator.api.id_allocator_spec import IdAllocatorSpec, IdBackend, IdBackendType, Mode
from caisson_operator.api.resource import IdAllocator
from caisson_operator.api.sharded_database_spec import DeletionPolicy
from caisson_operator.core.backend import CLUSTER, DATABASE, SECRET, BackendWanted
from caisson_operator.core.images import Images
from caisson_operator.core.objects import Owner

from .names import Names

KIND = "IdAllocator"
LONGEST_NAME = 30
OWN_SUFFIX = "-idstore"


@dataclass(frozen=True, slots=True)
class Wanted:
    owner: Owner
    mode: Mode
    backend: BackendWanted | None
    has_own_cluster: bool
    """Nobody named a cluster: one is made."""
    settings: Mapping[str, str]
    """Entries of the binding that say how to allocate."""
    replicas: int
    image: str
    resources: Mapping[str, Any]

    @property
    def names(self) -> Names:
        return Names(self.owner.name, self.owner.namespace)


def read_wanted(resource: IdAllocator, images: Images) -> Wanted:
    spec = resource.spec
    keeps = spec.deletion_policy is DeletionPolicy.RETAIN
    place = (resource.namespace, resource.name, resource.metadata.uid)
    backend = spec.backend
    return Wanted(
        owner=Owner(f"{GROUP}/{VERSION}", KIND, *place, keeps_data=keeps),
        mode=spec.mode,
        backend=_read_backend(backend, resource.name) if backend else None,
        has_own_cluster=backend is not None and backend.type is not IdBackendType.DATABASE and not backend.cluster_ref,
        settings={"mode": str(spec.mode), "space": f"{resource.namespace}/{resource.name}", **_read_settings(spec)},
        replicas=spec.server.replicas,
        image=images.ids,
        resources=spec.server.resources.model_dump(by_alias=True, exclude_none=True),
    )


def name_own_cluster(allocator: str) -> str:
    """Within the length that a BackingCluster's name may have."""
    return allocator[: LONGEST_NAME - len(OWN_SUFFIX)] + OWN_SUFFIX


def _read_backend(backend: IdBackend, allocator: str) -> BackendWanted:
    if backend.database_ref:
        return BackendWanted(str(backend.type), DATABASE, backend.database_ref.name)
    if backend.secret_ref:
        return BackendWanted(str(backend.type), SECRET, backend.secret_ref.name)
    name = backend.cluster_ref.name if backend.cluster_ref else name_own_cluster(allocator)
    return BackendWanted(str(backend.type), CLUSTER, name)


def _read_settings(spec: IdAllocatorSpec) -> dict[str, str]:
    """In the words of the SDK (caisson.ids.options)."""
    match spec.mode:
        case Mode.SNOWFLAKE:
            of = spec.snowflake
            return {
                "layout": f"{of.timestamp_bits}+{of.worker_bits}+{of.sequence_bits}",
                "epoch": of.epoch,
                "max_rollback_seconds": f"{spec.max_rollback_seconds:g}",
                "reserve_seconds": f"{spec.reserve_seconds:g}",
            }
        case Mode.SEGMENT:
            return {
                "step": str(spec.segment.step),
                "rated_per_second": str(spec.segment.rated_per_second),
                "outage_seconds": f"{spec.outage_seconds:g}",
            }
        case Mode.REDIS:
            return {"most_step": str(spec.redis.most_step)}
        case Mode.UUID7:
            return {}
