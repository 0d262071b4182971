"""What the resource asks for, in the room's own words. Pure."""

from dataclasses import dataclass

from caisson_operator.api.definition import GROUP, VERSION
from caisson_operator.api.distributed_lock_spec import LockBackendType
from caisson_operator.api.resource import DistributedLock
from caisson_operator.api.sharded_database_spec import DeletionPolicy
from caisson_operator.core.objects import Owner
from caisson_operator.core.quantities import parse_duration_seconds

KIND = "DistributedLock"
API_VERSION = f"{GROUP}/{VERSION}"
RELEASE_ANNOTATION = "caisson.dev/release-lock"
LONGEST_OWN_NAME = 30 - len("-lock")


@dataclass(frozen=True, slots=True)
class Wanted:
    owner: Owner
    backend: LockBackendType
    reference: str
    """Name of the cluster, database or Secret; of a cluster of its own where none is named."""
    has_own_cluster: bool
    is_secret: bool
    deletion_policy: DeletionPolicy
    lease_seconds: float
    is_fair: bool
    is_reentrant: bool
    max_hold_seconds: float | None
    has_fencing: bool
    release: str | None
    """The annotation's text."""

    @property
    def space(self) -> str:
        return f"{self.owner.namespace}/{self.owner.name}"

    @property
    def binding(self) -> str:
        return f"{self.owner.name}-lock"

    @property
    def is_database(self) -> bool:
        return self.backend is LockBackendType.DATABASE

    @property
    def is_opened_by_us(self) -> bool:
        """On Redis an agent in the server's own pod raises the epoch."""
        return self.backend in (LockBackendType.ZOOKEEPER, LockBackendType.DATABASE)


def read_wanted(resource: DistributedLock) -> Wanted:
    spec, backend = resource.spec, resource.spec.backend
    keeps_data = spec.deletion_policy is DeletionPolicy.RETAIN
    named = backend.cluster_ref or backend.database_ref or backend.secret_ref
    return Wanted(
        owner=Owner(API_VERSION, KIND, resource.namespace, resource.name, resource.metadata.uid, keeps_data),
        backend=backend.type,
        reference=named.name if named else f"{resource.name[:LONGEST_OWN_NAME]}-lock",
        has_own_cluster=named is None,
        is_secret=backend.secret_ref is not None,
        deletion_policy=spec.deletion_policy,
        lease_seconds=parse_duration_seconds(spec.lease),
        is_fair=spec.fair,
        is_reentrant=spec.reentrant,
        max_hold_seconds=parse_duration_seconds(spec.max_hold) if spec.max_hold else None,
        has_fencing=spec.fencing,
        release=resource.metadata.annotations.get(RELEASE_ANNOTATION),
    )
