"""What the pods of both engines share: security, spreading, volumes, and the fingerprint of what they were made by. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..wanted import Wanted
from .names import Names

TEMPLATE = "caisson.dev/template"
MEMBERS = "CAISSON_MEMBERS"
USER = 10999  # workloads/redis/Dockerfile, workloads/zookeeper/Dockerfile
DATA_PATH = "/var/lib/caisson"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def build_spec(
    wanted: Wanted, containers: list[dict[str, Any]], volumes: list[dict[str, Any]], stop_seconds: int
) -> dict[str, Any]:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": wanted.owner.labels}}
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": stop_seconds,
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [
            {"name": "credentials", "secret": {"secretName": names.credentials, "defaultMode": 0o440}},
            {"name": "tls", "secret": {"secretName": names.certificate, "defaultMode": 0o440}},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            *volumes,
        ],
    }


def build_container(name: str, wanted: Wanted, command: list[str], **rest: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["tini", "--", "python3", "-m", *command],
        "securityContext": RESTRICTED,
        **rest,
    }


def build_identity(wanted: Wanted) -> list[dict[str, Any]]:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return [
        {"name": "CAISSON_CLUSTER", "value": wanted.owner.name},
        {"name": "CAISSON_PODS_SERVICE", "value": names.pods},
        {"name": MEMBERS, "value": str(wanted.members)},
        {"name": "CAISSON_POD_NAME", "valueFrom": field_of_pod("metadata.name")},
        {"name": "CAISSON_POD_NAMESPACE", "valueFrom": field_of_pod("metadata.namespace")},
    ]


def build_mounts(*more: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": "credentials", "mountPath": "/etc/caisson/credentials", "readOnly": True},
        {"name": "tls", "mountPath": "/etc/caisson/tls", "readOnly": True},
        {"name": "run", "mountPath": "/run/caisson"},
        {"name": "tmp", "mountPath": "/tmp"},
        *({"name": name, "mountPath": path} for name, path in more),
    ]


def build_probe(command: list[str], period: int, failures: int, timeout: int = 5) -> dict[str, Any]:
    return {
        "exec": {"command": ["python3", "-m", *command]},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def build_template(wanted: Wanted, pod: dict[str, Any]) -> dict[str, Any]:
    default = pod["containers"][0]["name"]
    annotations = {"kubectl.kubernetes.io/default-container": default, TEMPLATE: fingerprint(pod)}
    return {"metadata": {"labels": wanted.owner.labels, "annotations": annotations}, "spec": pod}


def fingerprint(pod: Mapping[str, Any]) -> str:
    """Without the number of members, which those that run are told otherwise: no member is restarted for another one's sake."""
    lasting = [
        {**container, "env": [variable for variable in container["env"] if variable["name"] != MEMBERS]}
        for container in pod["containers"]
    ]
    return hashlib.sha256(json.dumps({**pod, "containers": lasting}, sort_keys=True).encode()).hexdigest()[:16]


def field_of_pod(path: str) -> dict[str, Any]:
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}
