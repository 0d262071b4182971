"""A shard's StatefulSet and the pod of a member: PostgreSQL under Patroni, and the agent of early expiry beside it. Pure.

OnDelete: Kubernetes never restarts a member by itself, since only a switchover first makes that painless. Parallel:
members do not wait for each other, since any of them may have to be the first to come up. There are no tolerations for
a lost node: a pod of a StatefulSet is not replaced before its node is known to be dead, however early it is evicted.
"""

import hashlib
import json
from typing import Any

from caisson_operator.core.certificates import AUTHORITY_KEY

from .inputs import ShardManifestInput
from .names import (
    POSTGRESQL_PORT,
    RESTAPI_PORT,
    ShardNames,
    credentials_name,
    owned_metadata,
    shard_labels,
)
from .services import labels_with_scope
from .settings import build_cluster_settings

# Of a pod: what it was made by. One whose value is another than that of the StatefulSet's template is out of date.
TEMPLATE = "caisson.dev/template"
BOOTSTRAP_SETTINGS = "CAISSON_DCS"
ENGINE_USER = 999  # workloads/postgres/Dockerfile
DATA_PATH = "/var/lib/caisson"
STOP_SECONDS = 60  # A fast shutdown writes a checkpoint, and the leader's record is given up after it.
# A standby that is farther behind has stopped following; one that a long query holds up has not.
READY_LAG = "128MB"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def build_stateful_set(shard: ShardManifestInput) -> dict[str, Any]:
    names = ShardNames(shard.database.name, shard.shard)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": owned_metadata(shard.database, names.scope, labels_with_scope(shard)),
        "spec": {
            "replicas": shard.members,
            "serviceName": names.pods,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": shard_labels(shard.database, shard.shard)},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": str(shard.database.deletion_policy),
                "whenScaled": "Retain",
            },
            "template": build_template(shard),
            "volumeClaimTemplates": [build_volume_claim(shard)],
        },
    }


def build_template(shard: ShardManifestInput) -> dict[str, Any]:
    pod = build_pod(shard)
    annotations = {"kubectl.kubernetes.io/default-container": "postgresql", TEMPLATE: fingerprint(pod)}
    return {"metadata": {"labels": labels_with_scope(shard), "annotations": annotations}, "spec": pod}


def fingerprint(pod: dict[str, Any]) -> str:
    """Without the settings that are read at a shard's first bootstrap alone: no member is restarted for those."""
    lasting = [
        {**container, "env": [variable for variable in container["env"] if variable["name"] != BOOTSTRAP_SETTINGS]}
        for container in pod["containers"]
    ]
    return hashlib.sha256(as_json({**pod, "containers": lasting}).encode()).hexdigest()[:16]


def build_volume_claim(shard: ShardManifestInput) -> dict[str, Any]:
    storage_class = {} if shard.storage_class is None else {"storageClassName": shard.storage_class}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": shard_labels(shard.database, shard.shard)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": shard.claimed_size or shard.storage_size}},
            **storage_class,
        },
    }


def build_pod(shard: ShardManifestInput) -> dict[str, Any]:
    return {
        "serviceAccountName": ShardNames(shard.database.name, shard.shard).scope,
        "automountServiceAccountToken": True,  # into both containers, each of which writes to the shard's records
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "affinity": {"podAntiAffinity": build_anti_affinity(shard)},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": ENGINE_USER,
            "runAsGroup": ENGINE_USER,
            "fsGroup": ENGINE_USER,
            # Opening every file to the group at each start would take long, and PostgreSQL refuses such a directory.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [build_container(shard), build_agent_container(shard)],
        "volumes": build_volumes(shard),
    }


def build_anti_affinity(shard: ShardManifestInput) -> dict[str, Any]:
    """Members of one shard on different nodes where there are enough; primaries of all shards spread by chance."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": shard_labels(shard.database, shard.shard)},
    }
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}


def build_container(shard: ShardManifestInput) -> dict[str, Any]:
    return {
        "name": "postgresql",
        "image": shard.image,
        "imagePullPolicy": "IfNotPresent",
        "env": build_environment(shard),
        "ports": [
            {"name": "postgresql", "containerPort": POSTGRESQL_PORT, "protocol": "TCP"},
            {"name": "patroni", "containerPort": RESTAPI_PORT, "protocol": "TCP"},
        ],
        "resources": {kind: dict(amounts) for kind, amounts in shard.resources.items()},
        "securityContext": RESTRICTED,
        **build_probes(),
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_PATH},
            {"name": "credentials", "mountPath": "/etc/caisson/credentials", "readOnly": True},
            {"name": "certificate", "mountPath": "/etc/caisson/certificate", "readOnly": True},
            {"name": "run", "mountPath": "/run/caisson"},
            {"name": "socket", "mountPath": "/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }


def build_agent_container(shard: ShardManifestInput) -> dict[str, Any]:
    """In every pod, since durability and the number of members change without a restart: where no standby has every
    commit, the agent finds nothing to do. It mounts nothing but what it knows the members by, and no probe restarts it: silent, it costs only speed.
    """
    return {
        "name": "early-expiry",
        "image": shard.image,
        "imagePullPolicy": "IfNotPresent",
        "workingDir": "/opt/caisson",
        "command": ["tini", "--", "python", "-m", "early_expiry"],
        "env": build_identity(shard),
        # No limit of its processor: throttled, it would look too seldom to be sure of any silence.
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "authority", "mountPath": "/etc/caisson/authority", "readOnly": True}],
    }


def build_environment(shard: ShardManifestInput) -> list[dict[str, Any]]:
    settings = build_cluster_settings(
        shard.durability, shard.members, shard.storage_size, shard.parameters, shard.failover
    )
    return [
        *build_identity(shard),
        {"name": "PATRONI_KUBERNETES_LABELS", "value": as_json(shard_labels(shard.database, shard.shard))},
        {"name": BOOTSTRAP_SETTINGS, "value": as_json(settings)},
    ]


def build_identity(shard: ShardManifestInput) -> list[dict[str, Any]]:
    """Who a member is, by the names that Patroni has for it."""
    return [
        {"name": "PATRONI_NAME", "valueFrom": field_of_pod("metadata.name")},
        {"name": "PATRONI_SCOPE", "value": ShardNames(shard.database.name, shard.shard).scope},
        {"name": "PATRONI_KUBERNETES_NAMESPACE", "valueFrom": field_of_pod("metadata.namespace")},
        {"name": "PATRONI_KUBERNETES_POD_IP", "valueFrom": field_of_pod("status.podIP")},
    ]


def build_probes() -> dict[str, Any]:
    """What each answer means, and what follows from it.

    Startup waits for the member's lock on its volume, which another container may hold for a while. Liveness is
    Patroni's own loop and nothing of PostgreSQL: a restart helps a hung loop only, and a broken database is Patroni's
    to mend. Readiness is the leader, or a standby that streams and follows; a member that does neither never is.
    """
    restapi = {"port": RESTAPI_PORT, "scheme": "HTTPS"}
    alive = {"httpGet": {"path": "/liveness", **restapi}, "timeoutSeconds": 5}
    ready = {"httpGet": {"path": f"/readiness?lag={READY_LAG}&mode=apply", **restapi}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**alive, "periodSeconds": 2, "failureThreshold": 150},
        "livenessProbe": {**alive, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 3},
    }


def build_volumes(shard: ShardManifestInput) -> list[dict[str, Any]]:
    """The root file system is read-only. What holds a password lies in memory.

    Mounted Secrets are root's, and open to the pod's group: so PostgreSQL takes its key from there, and a change of the
    Secret is a change of the file.
    """
    certificate = {"secretName": ShardNames(shard.database.name, shard.shard).certificate, "defaultMode": 0o400}
    return [
        {"name": "credentials", "secret": {"secretName": credentials_name(shard.database.name), "defaultMode": 0o400}},
        {"name": "certificate", "secret": certificate},
        {"name": "authority", "secret": {**certificate, "items": [{"key": AUTHORITY_KEY, "path": AUTHORITY_KEY}]}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "socket", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
    ]


def field_of_pod(path: str) -> dict[str, Any]:
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


def as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
