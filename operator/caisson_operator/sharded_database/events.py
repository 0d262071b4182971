"""Which part of a watched object matters to this room, so that the rest of its life wakes nobody. Pure.

Patroni writes into its pods' annotations every few seconds, and every status that we write comes back as an event.
Dropping a wish too many costs at most one resync.
"""

from collections.abc import Mapping
from typing import Any

DATABASE_LABEL = "caisson.dev/database"
KIND_LABEL = "caisson.dev/kind"
KIND = "ShardedDatabase"


def significant_part(body: Mapping[str, Any]) -> str:
    """Equal for two states of one object between which nothing happened that a reconcile would see."""
    metadata, status = body.get("metadata", {}), body.get("status") or {}
    common = [metadata.get("uid"), metadata.get("deletionTimestamp"), sorted((metadata.get("labels") or {}).items())]
    match body.get("kind"):
        case "Pod":
            return repr([*common, status.get("phase"), status.get("podIP"), _ready(status)])
        case "StatefulSet":
            counts = [status.get(name) for name in ("replicas", "readyReplicas", "updatedReplicas")]
            return repr([*common, metadata.get("generation"), *counts])
        case _:
            return repr([*common, metadata.get("generation"), sorted((metadata.get("annotations") or {}).items())])


def database_of(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """Namespace and name of the database that an object is, or belongs to by its labels."""
    metadata = body.get("metadata", {})
    if body.get("kind") == KIND:
        return metadata["namespace"], metadata["name"]
    name = (metadata.get("labels") or {}).get(DATABASE_LABEL)
    return (metadata["namespace"], name) if name else None


def _ready(status: Mapping[str, Any]) -> list[Any]:
    return [condition.get("status") for condition in status.get("conditions", []) if condition.get("type") == "Ready"]
