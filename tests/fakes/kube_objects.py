"""An API server in memory, as the plugin's `Kube` protocol has it. It passes the contract that the real one passes."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_caisson.errors import Forbidden, KindMissing, KubeError, NotFound
from kubectl_caisson.kube import Manifest, collection_path

PLURALS = {
    "BackingCluster": "backingclusters",
    "Deployment": "deployments",
    "DistributedLock": "distributedlocks",
    "Endpoints": "endpoints",
    "Event": "events",
    "Lease": "leases",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Secret": "secrets",
    "Service": "services",
    "ShardedDatabase": "shardeddatabases",
    "StatefulSet": "statefulsets",
}


@dataclass(slots=True)
class FakeKube:
    """`forbidden` and `broken` hold parts of paths; what is asked for is kept in `asked`."""

    objects: dict[str, Manifest] = field(default_factory=dict)
    logs: dict[tuple[str, bool], str] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    broken: dict[str, KubeError] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def put(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        path = collection_path(manifest["apiVersion"], PLURALS[manifest["kind"]], metadata["namespace"])
        self.objects[f"{path}/{metadata['name']}"] = copy.deepcopy(manifest)

    def log(self, pod: str, container: str, text: str, is_previous: bool = False) -> None:
        self.logs[(f"{pod}/{container}", is_previous)] = text

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        self._admit("get", path)
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        if path.rsplit("/", 1)[-1] in PLURALS.values():
            return {"items": self._list(path, (query or {}).get("labelSelector", ""))}
        raise self._absent(path)

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        self._admit("get", path)
        chosen = query or {}
        pod = path.split("/")[-2]
        try:
            return self.logs[(f"{pod}/{chosen['container']}", "previous" in chosen)]
        except KeyError:
            raise NotFound(f"no log of {pod}") from None

    def merge_patch(self, path: str, change: Mapping[str, Any]) -> Manifest:
        self._admit("patch", path)
        if path not in self.objects:
            raise self._absent(path)
        self.objects[path] = merge(self.objects[path], change)
        return copy.deepcopy(self.objects[path])

    def set_status(self, path: str, status: Mapping[str, Any]) -> None:
        """As the operator does it."""
        self.objects[path] = {**self.objects[path], "status": copy.deepcopy(dict(status))}

    def _list(self, path: str, selector: str) -> list[Manifest]:
        root, plural = path.rsplit("/", 1)
        wanted = [pair.split("=") for pair in selector.split(",") if pair]
        found = []
        for place, manifest in sorted(self.objects.items()):
            collection = place.rsplit("/", 1)[0]
            is_here = collection == path or (
                "/namespaces/" not in path
                and collection.startswith(f"{root}/namespaces/")
                and place.split("/")[-2] == plural
            )
            labels = manifest["metadata"].get("labels", {})
            if is_here and all(labels.get(key) == value for key, value in wanted):
                found.append(copy.deepcopy(manifest))
        return found

    def _admit(self, verb: str, path: str) -> None:
        self.asked.append((verb, path))
        for part, error in self.broken.items():
            if part in path:
                raise error
        if any(part in path for part in self.forbidden):
            raise Forbidden(f"{path} is forbidden")

    def _absent(self, path: str) -> KubeError:
        is_known = path.split("/")[-2] in PLURALS.values()
        return NotFound(f"{path} not found") if is_known else KindMissing(f"{path}: no such kind")


def merge(base: Any, change: Mapping[str, Any]) -> Any:
    """RFC 7386: mappings are merged, None takes away, everything else replaces."""
    merged = dict(base) if isinstance(base, Mapping) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value) if isinstance(value, Mapping) else value
    return merged
