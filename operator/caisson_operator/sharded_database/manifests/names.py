"""Names and labels of a database's objects, as docs/reference/shard-schema.md has them. Pure.

The read-write Service is called exactly like Patroni's scope: Patroni writes the Service's Endpoints itself, and the
leader's record is on the same object, so that routing and leadership change in one compare-and-set write.
"""

from dataclasses import dataclass
from typing import Any

from caisson_operator.api.sharded_database_spec import DeletionPolicy
from caisson_operator.core.certificates import list_forms
from caisson_operator.core.events import KIND_LABEL as KIND_LABEL
from caisson_operator.core.layout import ShardAddress

from .inputs import DatabaseIdentity

API_VERSION, KIND = "caisson.dev/v1alpha1", "ShardedDatabase"
DATABASE_LABEL = "caisson.dev/database"
SHARD_LABEL = "caisson.dev/shard"
SCOPE_LABEL = "caisson.dev/scope"  # patroni.yml: kubernetes.scope_label
ROLE_LABEL = "caisson.dev/role"  # patroni.yml: kubernetes.role_label
PRIMARY, REPLICA = "primary", "replica"

POSTGRESQL_PORT, RESTAPI_PORT = 5432, 8008


@dataclass(frozen=True, slots=True)
class ShardNames:
    """The names of one shard's objects."""

    database: str
    shard: str

    @property
    def scope(self) -> str:
        """StatefulSet, read-write Service, PodDisruptionBudget, account, Role, RoleBinding and Patroni's scope."""
        return f"{self.database}-{self.shard}"

    @property
    def read_only(self) -> str:
        return f"{self.scope}-ro"

    @property
    def pods(self) -> str:
        return f"{self.scope}-pods"

    @property
    def primary(self) -> str:
        """PodDisruptionBudget of the primary; that of the standbys is called like the scope."""
        return f"{self.scope}-primary"

    @property
    def config(self) -> str:
        """Where Patroni keeps the settings that all members share."""
        return f"{self.scope}-config"

    @property
    def sync(self) -> str:
        """Where Patroni keeps who has every acknowledged commit."""
        return f"{self.scope}-sync"

    @property
    def failover(self) -> str:
        """Where Patroni keeps a change of the leader that was asked for, until it is done."""
        return f"{self.scope}-failover"

    @property
    def state(self) -> tuple[str, ...]:
        """Where Patroni keeps what outlives its members: the cluster's identity and settings, and who is synchronous."""
        return self.config, self.sync

    @property
    def records(self) -> tuple[str, ...]:
        """All that Patroni writes of the shard as a whole."""
        return self.scope, self.config, self.sync, self.failover

    @property
    def certificate(self) -> str:
        """The Secret of what the members show who connects."""
        return f"{self.scope}-tls"

    def pod(self, ordinal: int) -> str:
        return f"{self.scope}-{ordinal}"


def credentials_name(database: str) -> str:
    return f"{database}-credentials"


def binding_name(database: str) -> str:
    return f"{database}-binding"


def authority_name(database: str) -> str:
    return f"{database}-ca"


def build_server_names(database: DatabaseIdentity, shard: str) -> tuple[str, ...]:
    """Every name by which somebody comes to a member: through the Services, or to a pod itself."""
    names = ShardNames(database.name, shard)
    hosts = (names.scope, names.read_only, names.pods, f"*.{names.pods}")
    return (names.scope, names.read_only, *list_forms(hosts, database.namespace))


def build_address(database: DatabaseIdentity, shard: str) -> ShardAddress:
    names, domain = ShardNames(database.name, shard), f"{database.namespace}.svc"
    hosts = (f"{host}.{domain}" for host in (names.scope, names.read_only, names.pods))
    host, read_host, members_host = hosts
    return ShardAddress(shard, host, POSTGRESQL_PORT, read_host, members_host)


def database_labels(database: DatabaseIdentity) -> dict[str, str]:
    return {KIND_LABEL: KIND, DATABASE_LABEL: database.name}


def shard_labels(database: DatabaseIdentity, shard: str) -> dict[str, str]:
    return {**database_labels(database), SHARD_LABEL: shard}


def owned_metadata(database: DatabaseIdentity, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Metadata of what goes with the resource, collected by Kubernetes itself: there are no finalizers."""
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": database.name,
        "uid": database.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {**kept_metadata(database, name, labels), "ownerReferences": [owner]}


def kept_metadata(database: DatabaseIdentity, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Metadata of what stays when the resource goes."""
    return {"name": name, "namespace": database.namespace, "labels": labels}


def metadata_beside_volumes(database: DatabaseIdentity, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Metadata of what the volumes cannot be opened or trusted without: it stays as long as they do."""
    is_kept = database.deletion_policy == DeletionPolicy.RETAIN
    return (kept_metadata if is_kept else owned_metadata)(database, name, labels)
