"""Members as kubelets and controllers would leave them: there are none of either, so it is written by hand."""

import json
from collections.abc import Mapping
from typing import Any

from api.apiserver import ApiServer

LABELS = {"caisson.dev/kind": "ShardedDatabase", "caisson.dev/database": "flights", "caisson.dev/shard": "s0"}
SINCE = "2026-01-01T12:00:00Z"


def make_pod(
    server: ApiServer,
    namespace: str,
    name: str,
    role: str,
    node: str = "",
    is_ready: bool = True,
    labels: Mapping[str, str] = LABELS,
) -> str:
    """As a kubelet and Patroni would leave it. Returns its uid."""
    container = {"name": "postgresql", "image": "image"}
    spec: dict[str, Any] = {"containers": [container], **({"nodeName": node} if node else {})}
    all_labels = {**labels, **({"caisson.dev/role": role} if role else {})}
    metadata = {"name": name, "labels": all_labels, "annotations": {"caisson.dev/template": "abc"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    server.kubectl("create", "-n", namespace, "-f", "-", stdin=pod)
    ready = {"type": "Ready", "status": str(is_ready), "lastTransitionTime": SINCE}
    set_status(server, namespace, "pod", name, {"phase": "Running", "conditions": [ready]})
    return str(server.get("pod", name, "-n", namespace)["metadata"]["uid"])


def set_status(server: ApiServer, namespace: str, kind: str, name: str, status: dict[str, Any]) -> None:
    server.kubectl(
        "patch",
        kind,
        name,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )


def make_claim(
    server: ApiServer,
    namespace: str,
    name: str,
    storage_class: str,
    volume: str = "",
    phase: str = "Bound",
    labels: Mapping[str, str] = LABELS,
) -> str:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": storage_class,
        "volumeName": volume or f"pv-{namespace}-{name}",
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": spec,
    }
    server.kubectl("create", "-n", namespace, "-f", "-", stdin=claim)
    set_status(server, namespace, "pvc", name, {"phase": phase, "capacity": {"storage": "1Gi"}})
    return str(server.get("pvc", name, "-n", namespace)["metadata"]["uid"])


def make_class(server: ApiServer, name: str, can_grow: bool) -> None:
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "example.com/none",
        "allowVolumeExpansion": can_grow,
    }
    server.kubectl("apply", "-f", "-", stdin=storage_class)


def make_node(server: ApiServer, name: str, unschedulable: bool = False) -> None:
    labels = {"kubernetes.io/hostname": name}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    server.kubectl("create", "-f", "-", stdin={**node, "spec": {"unschedulable": unschedulable}})


def make_local_volume(server: ApiServer, name: str, node: str) -> None:
    wish = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "local": {"path": "/somewhere"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [wish]}]}},
    }
    server.kubectl(
        "create",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec},
    )


def asked_for(server: ApiServer, namespace: str, claim: str) -> str:
    found = server.get("pvc", claim, "-n", namespace)
    return str(found["spec"]["resources"]["requests"]["storage"])
