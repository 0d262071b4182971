"""The servers of ids as they are wanted: a Deployment, its Service and its budget. Pure."""

import hashlib
import json
from typing import Any

from .names import PORT
from .wanted import Wanted

BINDINGS, CERTIFICATE = "/bindings", "/certificate"
SETTINGS = "caisson.dev/settings"
USER = 65532
Manifest = dict[str, Any]


def build_service(wanted: Wanted) -> Manifest:
    ports = [{"name": "https", "port": PORT, "targetPort": "https", "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "ports": ports, "selector": wanted.owner.labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": wanted.owner.owned(wanted.names.server), "spec": spec}


def build_disruption_budget(wanted: Wanted) -> Manifest:
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": wanted.owner.labels},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    metadata = wanted.owner.owned(wanted.names.server)
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def build_deployment(wanted: Wanted) -> Manifest:
    """Passwords and certificates are read anew from the mounted Secrets; other settings change the template, and so the pods."""
    labels, settings = wanted.owner.labels, json.dumps(dict(wanted.settings), sort_keys=True)
    annotations = {SETTINGS: hashlib.sha256(settings.encode()).hexdigest()[:16]}
    spec = {
        "replicas": wanted.replicas,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": _build_pod(wanted)},
    }
    metadata = wanted.owner.owned(wanted.names.server)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _build_pod(wanted: Wanted) -> Manifest:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": wanted.owner.labels}}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(wanted)],
        "volumes": [_mount("binding", wanted.names.binding), _mount("certificate", wanted.names.certificate)],
    }


def _mount(volume: str, secret: str) -> Manifest:
    return {"name": volume, "secret": {"secretName": secret, "defaultMode": 0o440}}


def _build_container(wanted: Wanted) -> Manifest:
    return {
        "name": "server",
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["ids", "--port", str(PORT), "--tls", CERTIFICATE],
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": BINDINGS}],
        "ports": [{"name": "https", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": _probe("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": _probe("/readyz"), "periodSeconds": 5, "timeoutSeconds": 6},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {key: dict(amounts) for key, amounts in wanted.resources.items()},
        "volumeMounts": [
            {"name": "binding", "mountPath": f"{BINDINGS}/ids", "readOnly": True},
            {"name": "certificate", "mountPath": CERTIFICATE, "readOnly": True},
        ],
    }


def _probe(path: str) -> Manifest:
    """The kubelet does not verify whom it asks."""
    return {"path": path, "port": "https", "scheme": "HTTPS"}
