"""The binding of a lock space, and the cluster of its own. Pure."""

from collections.abc import Mapping
from typing import Any

from caisson_operator.api.distributed_lock_spec import LockBackendType
from caisson_operator.core.content import stamp
from caisson_operator.core.objects import build_secret

from .wanted import API_VERSION, Wanted

TYPE, PROVIDER = "caisson-lock", "caisson"
MEMBERS, STORAGE = 3, "1Gi"
_OF_DATABASE = ("host", "port", "database", "username", "password", "ca.crt", "sslmode", "uri")
"""A Secret has a uri alone; of a ShardedDatabase the first shard is meant, so its list of shards is left out."""


def build_binding(wanted: Wanted, entries: Mapping[str, str]) -> dict[str, Any]:
    """All entries of the backend's own binding, beside the policy; its `type` is `backend` here."""
    of_backend = {key: value for key, value in entries.items() if key not in ("type", "provider")}
    if wanted.is_database:
        kept = _OF_DATABASE if "host" not in entries else _OF_DATABASE[:-1]
        of_backend = {key: entries[key] for key in kept if key in entries}
    longest = wanted.max_hold_seconds
    values = {
        **of_backend,
        "type": TYPE,
        "provider": PROVIDER,
        "backend": str(wanted.backend),
        "space": wanted.space,
        "lease_seconds": f"{wanted.lease_seconds:g}",
        "fair": _flag(wanted.is_fair),
        "reentrant": _flag(wanted.is_reentrant),
        "fencing": _flag(wanted.has_fencing),
        **({"max_hold_seconds": f"{longest:g}"} if longest is not None else {}),
    }
    return stamp(build_secret(wanted.owner.owned(wanted.binding), f"servicebinding.io/{TYPE}", values))


def build_cluster(wanted: Wanted) -> dict[str, Any]:
    """It belongs to the lock space and goes with it."""
    is_zookeeper = wanted.backend is LockBackendType.ZOOKEEPER
    topology = "independent" if wanted.backend is LockBackendType.REDLOCK else "replicated"
    spec = {
        "type": "zookeeper" if is_zookeeper else "redis",
        **({} if is_zookeeper else {"topology": topology, "persistence": "always"}),
        "members": MEMBERS,
        "storage": {"size": STORAGE},
        "deletionPolicy": str(wanted.deletion_policy),
    }
    metadata = wanted.owner.owned(wanted.reference)
    return stamp({"apiVersion": API_VERSION, "kind": "BackingCluster", "metadata": metadata, "spec": spec})


def _flag(value: bool) -> str:
    return "true" if value else "false"
