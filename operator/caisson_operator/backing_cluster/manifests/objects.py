"""Everything that a cluster has in Kubernetes, as it is wanted. Pure."""

from typing import Any

from caisson_operator.core.certificates import build_key_secret
from caisson_operator.core.content import stamp
from caisson_operator.core.objects import build_secret

from ..wanted import Wanted
from .binding import build_binding
from .inputs import Passwords, Shape
from .names import ELECTION_PORT, PEER_PORT, REDIS_PORT, SENTINEL_PORT, ZOOKEEPER_PORT, Names
from .pod import TEMPLATE, build_template
from .redis_pod import build_redis_pod
from .rights import build_rights
from .zookeeper_pod import build_zookeeper_pod

Manifest = dict[str, Any]


def build_objects(wanted: Wanted, passwords: Passwords, shape: Shape) -> tuple[Manifest, ...]:
    """Each with its content's hash, in the order in which to apply them."""
    special = build_rights(wanted) if wanted.is_redis else (build_ensemble(wanted, shape),)
    made = (
        *build_ownerships(wanted, shape),
        *special,
        build_members_service(wanted),
        build_client_service(wanted),
        build_disruption_budget(wanted),
        build_binding(wanted, passwords, shape.authority),
        build_stateful_set(wanted, shape),
    )
    return tuple(stamp(manifest) for manifest in made)


def find_template(wanted: Wanted) -> str:
    """The fingerprint that pods have once they are as wanted."""
    return str(_build_pod_template(wanted)["metadata"]["annotations"][TEMPLATE])


def build_credentials(wanted: Wanted, passwords: Passwords) -> Manifest:
    """Created where there is none and never applied: the volumes' members know each other by the passwords of their first day."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    values = {"application": passwords.application, "admin": passwords.admin}
    return build_secret(wanted.owner.kept(names.credentials), "Opaque", values)


def build_authority(wanted: Wanted, certificate: str, key: str) -> Manifest:
    """As the credentials: created where there is none and never applied, since clients hold on to what it says."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return build_key_secret(wanted.owner.kept(names.authority), certificate, key)


def build_certificate(wanted: Wanted, certificate: str, key: str, authority: str) -> Manifest:
    """It goes with the resource: another is issued in a moment."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    return build_key_secret(wanted.owner.owned(names.certificate), certificate, key, authority)


def build_ownerships(wanted: Wanted, shape: Shape) -> tuple[Manifest, ...]:
    """Applied to the Secrets that exist: whose they are follows deletionPolicy, and their data are nobody's to apply.

    By the uid the server refuses to apply to one that has gone since, and makes no empty one.
    """
    names = Names(wanted.owner.name, wanted.owner.namespace)
    kept = ((names.credentials, shape.credentials_uid), (names.authority, shape.authority_uid))
    return tuple(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {**wanted.owner.beside_volumes(name), "uid": uid}}
        for name, uid in kept
    )


def build_epoch(wanted: Wanted, epoch: int) -> Manifest:
    """Created where there is none, changed by the agents alone, and never taken away: tokens that were handed out under it
    stay in what they protect, and a cluster made again under the name must not begin below them."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    metadata = wanted.owner.kept(names.epoch)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"epoch": str(epoch)}}


def build_leading(wanted: Wanted) -> Manifest:
    """Where the Service leads: nowhere, until the agent of a primary says so."""
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": wanted.owner.owned(wanted.owner.name), "subsets": []}


def build_ensemble(wanted: Wanted, shape: Shape) -> Manifest:
    names = Names(wanted.owner.name, wanted.owner.namespace)
    metadata = wanted.owner.beside_volumes(names.ensemble)
    data = {"formed": "true" if shape.is_formed else "false"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def build_members_service(wanted: Wanted) -> Manifest:
    """Members are found by name before they are ready: they need each other to become so."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    redis = {"redis": REDIS_PORT, **({"sentinel": SENTINEL_PORT} if wanted.is_replicated else {})}
    zookeeper = {"client": ZOOKEEPER_PORT, "peer": PEER_PORT, "election": ELECTION_PORT}
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "ports": _ports(redis if wanted.is_redis else zookeeper),
        "selector": wanted.owner.labels,
    }
    return _service(wanted, names.pods, spec)


def build_client_service(wanted: Wanted) -> Manifest:
    """To the primary of a replicated Redis, by Endpoints that its agent writes; else to every member that is ready."""
    ports = _ports({"redis": REDIS_PORT} if wanted.is_redis else {"client": ZOOKEEPER_PORT})
    is_led = wanted.is_redis and wanted.is_replicated
    return _service(
        wanted, wanted.owner.name, {"ports": ports, **({} if is_led else {"selector": wanted.owner.labels})}
    )


def build_disruption_budget(wanted: Wanted) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": wanted.owner.owned(wanted.owner.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": wanted.owner.labels},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def build_stateful_set(wanted: Wanted, shape: Shape) -> Manifest:
    """OnDelete: which member is restarted when is decided in updating.py. A member that is taken away for good leaves no
    volume: its data are those of the others, and one that came back with them would be of another day."""
    names = Names(wanted.owner.name, wanted.owner.namespace)
    storage_class = {} if wanted.storage_class is None else {"storageClassName": wanted.storage_class}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": wanted.owner.labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": shape.claimed_size or wanted.storage_size}},
            **storage_class,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": wanted.owner.owned(wanted.owner.name),
        "spec": {
            "replicas": shape.replicas,
            "serviceName": names.pods,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": wanted.owner.labels},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain" if wanted.owner.keeps_data else "Delete",
                "whenScaled": "Delete",
            },
            "template": _build_pod_template(wanted),
            "volumeClaimTemplates": [claim],
        },
    }


def _build_pod_template(wanted: Wanted) -> Manifest:
    return build_template(wanted, build_redis_pod(wanted) if wanted.is_redis else build_zookeeper_pod(wanted))


def _service(wanted: Wanted, name: str, spec: Manifest) -> Manifest:
    metadata = wanted.owner.owned(name)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP", **spec}}


def _ports(ports: dict[str, int]) -> list[Manifest]:
    return [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports.items()]
