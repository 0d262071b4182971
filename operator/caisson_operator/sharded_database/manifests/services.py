"""A shard's Services and its PodDisruptionBudgets. Pure."""

from typing import Any

from .inputs import ShardManifestInput
from .names import (
    POSTGRESQL_PORT,
    PRIMARY,
    REPLICA,
    RESTAPI_PORT,
    ROLE_LABEL,
    SCOPE_LABEL,
    ShardNames,
    metadata_beside_volumes,
    owned_metadata,
    shard_labels,
)

# The name is also in patroni.yml: Endpoints and Service must agree on it, or nothing is routed.
POSTGRESQL = {"name": "postgresql", "port": POSTGRESQL_PORT, "targetPort": POSTGRESQL_PORT, "protocol": "TCP"}
RESTAPI = {"name": "patroni", "port": RESTAPI_PORT, "targetPort": RESTAPI_PORT, "protocol": "TCP"}


def build_services(shard: ShardManifestInput) -> tuple[dict[str, Any], ...]:
    return (*build_state_services(shard), build_pods_service(shard), *build_client_services(shard))


def build_client_services(shard: ShardManifestInput) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read-write without a selector, since Patroni writes its Endpoints; read-only over the ready standbys."""
    names = ShardNames(shard.database.name, shard.shard)
    replicas = {**shard_labels(shard.database, shard.shard), ROLE_LABEL: REPLICA}
    return (
        service(shard, names.scope, {"ports": [POSTGRESQL]}),
        service(shard, names.read_only, {"ports": [POSTGRESQL], "selector": replicas}),
    )


def build_pods_service(shard: ShardManifestInput) -> dict[str, Any]:
    """Names for the pods, whether they are ready or not: the operator asks a broken member how it is."""
    names = ShardNames(shard.database.name, shard.shard)
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "ports": [POSTGRESQL, RESTAPI],
        "selector": shard_labels(shard.database, shard.shard),
    }
    return service(shard, names.pods, spec)


def build_state_services(shard: ShardManifestInput) -> tuple[dict[str, Any], ...]:
    """Kubernetes removes Endpoints that have no Service; these keep what Patroni must still know after a re-creation."""
    names = ShardNames(shard.database.name, shard.shard)
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata_beside_volumes(shard.database, name, labels_with_scope(shard)),
            "spec": {"clusterIP": "None"},
        }
        for name in names.state
    )


def service(shard: ShardManifestInput, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owned_metadata(shard.database, name, labels_with_scope(shard)),
        "spec": {"type": "ClusterIP", **spec},
    }


def build_disruption_budgets(shard: ShardManifestInput) -> tuple[dict[str, Any], ...]:
    """No primary is evicted that could hand over first, and of several standbys one at a time.

    By `minAvailable`, which counts the pods of the selector; `maxUnavailable` would count all that the StatefulSet has. A
    pod of two budgets cannot be evicted at all, so they must not overlap. One that is broken already need not be waited for.
    """
    names = ShardNames(shard.database.name, shard.shard)
    return (
        build_disruption_budget(shard, names.scope, REPLICA, max(shard.members - 2, 0)),
        build_disruption_budget(shard, names.primary, PRIMARY, 1 if shard.members > 1 else 0),
    )


def build_disruption_budget(shard: ShardManifestInput, name: str, role: str, least: int) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owned_metadata(shard.database, name, labels_with_scope(shard)),
        "spec": {
            "minAvailable": least,
            "selector": {"matchLabels": {**shard_labels(shard.database, shard.shard), ROLE_LABEL: role}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def labels_with_scope(shard: ShardManifestInput) -> dict[str, str]:
    names = ShardNames(shard.database.name, shard.shard)
    return {**shard_labels(shard.database, shard.shard), SCOPE_LABEL: names.scope}
