"""What manifests are built from: values, not the resource's models, so that a test writes them in three lines. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from caisson_operator.api.sharded_database_spec import DeletionPolicy, Durability, Failover
from caisson_operator.core.layout import Login


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """Which ShardedDatabase the objects belong to, and whether its data outlive it."""

    name: str
    namespace: str
    uid: str
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN


@dataclass(frozen=True, slots=True)
class BindingInput:
    """How applications come in: as whom, and by which authority's certificate (PEM) they know the servers."""

    login: Login
    password: str = field(repr=False)
    authority: str


@dataclass(frozen=True, slots=True)
class ShardManifestInput:
    """One shard as it is wanted. `resources` is a container's: {"requests": {"cpu": "100m"}, ...}."""

    database: DatabaseIdentity
    shard: str
    members: int
    image: str
    storage_size: str
    leaving: tuple[str, ...] = ()
    """Pods that are there beyond `members`."""
    claimed_size: str = ""
    """What the StatefulSet's claims were made with: Kubernetes takes no change of them. Empty before it is made."""
    storage_class: str | None = None
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    durability: Durability = Durability.SYNCHRONOUS
    parameters: Mapping[str, str] = field(default_factory=dict)
    """PostgreSQL's, as the user wants them and a server was found to take them."""
    failover: Failover | None = None
