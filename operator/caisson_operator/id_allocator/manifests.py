"""Everything that an allocator has in Kubernetes, as it is wanted. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caisson_operator.core.content import stamp
from caisson_operator.core.objects import build_secret

from .wanted import Wanted, name_own_cluster

TYPE, PROVIDER = "caisson-ids", "caisson"
SERVER_TYPE, TOKEN = "caisson-id-server", "token"
PORT = 8080
BINDINGS = "/bindings"
SETTINGS = "caisson.dev/settings"
USER = 65532
_NOT_TAKEN_OVER = ("type", "provider", "shards")
"""`shards`: ids are kept on the first shard, whatever others there are."""
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    allocator: str
    namespace: str

    @property
    def binding(self) -> str:
        """Unlike that of a ShardedDatabase of the same name."""
        return f"{self.allocator}-ids-binding"

    @property
    def server(self) -> str:
        """Deployment, Service and PodDisruptionBudget."""
        return f"{self.allocator}-id-server"

    @property
    def token(self) -> str:
        """A binding too: all that a program needs that asks the servers, and nothing of the store."""
        return f"{self.allocator}-id-server-binding"

    @property
    def url(self) -> str:
        return f"http://{self.server}.{self.namespace}.svc:{PORT}"


def build_objects(wanted: Wanted, entries: Mapping[str, str], token: str | None) -> tuple[Manifest, ...]:
    """Each with its content's hash; servers where there is a `token` that they ask for. Servers that are to go are scaled to none, not taken away."""
    servers = (build_service(wanted), build_disruption_budget(wanted), build_deployment(wanted))
    made = (build_binding(wanted, entries, token), *(servers if token else ()))
    return tuple(stamp(manifest) for manifest in made)


def build_binding(wanted: Wanted, entries: Mapping[str, str], token: str | None) -> Manifest:
    """How to allocate, the servers' token, and all that the backend's own binding says of how to reach it."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    backend = {key: value for key, value in entries.items() if key not in _NOT_TAKEN_OVER}
    own = {"type": TYPE, "provider": PROVIDER, "backend": wanted.backend.type if wanted.backend else "none"}
    server = {"server_url": names.url, "server_token": token} if token else {}
    values = {**backend, **wanted.settings, **server, **own}
    return build_secret(wanted.owner.owned(names.binding), f"servicebinding.io/{TYPE}", values)


def build_token(wanted: Wanted, token: str) -> Manifest:
    """Created where there is none and never applied: who takes it away has another one made."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    place = {"host": f"{names.server}.{wanted.owner.namespace}.svc", "port": str(PORT), "uri": names.url}
    values = {"type": SERVER_TYPE, "provider": PROVIDER, **place, TOKEN: token}
    return build_secret(wanted.owner.owned(names.token), f"servicebinding.io/{SERVER_TYPE}", values)


def build_own_cluster(wanted: Wanted) -> Manifest:
    """The smallest that survives the loss of a member."""
    assert wanted.backend is not None
    spec = {
        "type": wanted.backend.type,
        "members": 3,
        "storage": {"size": "1Gi"},
        "deletionPolicy": "Retain" if wanted.owner.keeps_data else "Delete",
    }
    metadata = wanted.owner.owned(name_own_cluster(wanted.owner.name))
    return {"apiVersion": wanted.owner.api_version, "kind": "BackingCluster", "metadata": metadata, "spec": spec}


def build_service(wanted: Wanted) -> Manifest:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "ports": ports, "selector": wanted.owner.labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": wanted.owner.owned(names.server), "spec": spec}


def build_disruption_budget(wanted: Wanted) -> Manifest:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": wanted.owner.labels},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    metadata = wanted.owner.owned(names.server)
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def build_deployment(wanted: Wanted) -> Manifest:
    """Passwords are read anew from the mounted Secret; other settings change the template, and so the pods."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    labels, settings = wanted.owner.labels, json.dumps(dict(wanted.settings), sort_keys=True)
    annotations = {SETTINGS: hashlib.sha256(settings.encode()).hexdigest()[:16]}
    spec = {
        "replicas": wanted.replicas,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": _build_pod(wanted)},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": wanted.owner.owned(names.server), "spec": spec}


def _build_pod(wanted: Wanted) -> Manifest:
    names = Names(wanted.owner.name, wanted.owner.namespace)
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
        "volumes": [{"name": "binding", "secret": {"secretName": names.binding, "defaultMode": 0o440}}],
    }


def _build_container(wanted: Wanted) -> Manifest:
    return {
        "name": "server",
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["ids", "--port", str(PORT)],
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": BINDINGS}],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 6},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {key: dict(amounts) for key, amounts in wanted.resources.items()},
        "volumeMounts": [{"name": "binding", "mountPath": f"{BINDINGS}/ids", "readOnly": True}],
    }
