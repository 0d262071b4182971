"""Which part of a watched object matters, so that the rest of its life wakes nobody; and whose it is. Pure.

Every status that we write comes back as an event. Dropping a wish too many costs at most one resync.
"""

from collections.abc import Callable, Mapping
from typing import Any

KIND_LABEL = "caisson.dev/kind"
"""On everything that the operator makes: the kind of the resource that it belongs to."""
NAME_LABEL = "caisson.dev/name"
"""Beside it: the resource's name. (Those of a ShardedDatabase have caisson.dev/database instead.)"""

Body = Mapping[str, Any]
TellPod = Callable[[Body], list[Any]]

_COUNTS = ("replicas", "readyReplicas", "updatedReplicas")


def tell_pod(pod: Body) -> list[Any]:
    """Whether it runs, where it is reached, and whether it is ready."""
    status = pod.get("status") or {}
    ready = [part.get("status") for part in status.get("conditions", []) if part.get("type") == "Ready"]
    return [status.get("phase"), status.get("podIP"), ready]


def significant_part(body: Body, tell: TellPod = tell_pod) -> str:
    """Equal for two states of one object between which nothing happened that a reconcile would see."""
    metadata, status = body.get("metadata", {}), body.get("status") or {}
    common = [metadata.get("uid"), metadata.get("deletionTimestamp"), sorted((metadata.get("labels") or {}).items())]
    match body.get("kind"):
        case "Pod":
            return repr([*common, *tell(body)])
        case "Node":
            return repr([*common[:2], (body.get("spec") or {}).get("unschedulable")])
        case "StatefulSet" | "Deployment":
            return repr([*common, metadata.get("generation"), *(status.get(name) for name in _COUNTS)])
        case _:
            return repr([*common, metadata.get("generation"), sorted((metadata.get("annotations") or {}).items())])


def owner_of(body: Body, name_labels: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Kind, namespace and name of the resource that an object is, or belongs to by its labels.

    `name_labels` has, for each kind, the label of its children that names the resource.
    """
    metadata = body.get("metadata", {})
    kind = str(body.get("kind"))
    if kind in name_labels:
        return kind, metadata["namespace"], metadata["name"]
    labels = metadata.get("labels") or {}
    kind = labels.get(KIND_LABEL, "")
    name = labels.get(name_labels[kind]) if kind in name_labels else None
    return (kind, metadata["namespace"], name) if name else None
