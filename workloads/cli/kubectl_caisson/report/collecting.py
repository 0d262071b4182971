"""Reads what a report has, by the user's own rights. What may not be read is noted, and the next thing is read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubectl_caisson.errors import Forbidden, KubeError, NotFound
from kubectl_caisson.kube import OPERATOR_SELECTOR, Kube, Manifest, collection_path, database_path, database_selector
from kubectl_caisson.release import DEFAULT_NAMESPACE, LEASE, find_operators

from .bundle import Bundle

_DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shardeddatabases.caisson.dev"
_LOG_BYTES = 5_000_000
# Secrets and ConfigMaps are not here, and must never be.
_KINDS = (
    ("statefulsets", "apps/v1"),
    ("services", "v1"),
    ("endpoints", "v1"),
    ("persistentvolumeclaims", "v1"),
    ("poddisruptionbudgets", "policy/v1"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose report, and how much of the logs. Without `operator_namespace` the operator is looked for everywhere."""

    namespace: str
    database: str
    log_lines: int
    operator_namespace: str | None = None


def collect(kube: Kube, wish: Wish, versions: dict[str, str], bundle: Bundle) -> None:
    """Raises NotFound if there is no such database, and Unreachable; everything else it cannot have it notes."""
    _add_database(kube, wish, bundle)
    query = {"labelSelector": database_selector(wish.database)}
    for plural, api_version in _KINDS:
        _list(kube, bundle, f"objects/{plural}.json", collection_path(api_version, plural, wish.namespace), query)
    pods = _list(kube, bundle, "objects/pods.json", collection_path("v1", "pods", wish.namespace), query)
    _add_events(kube, wish, bundle)
    _add_logs(kube, wish, bundle, "members", pods)
    _add_operator(kube, wish, bundle)
    _add_versions(kube, versions, bundle)


def belongs_to(database: str, name: str) -> bool:
    """Whether an object of this name is the database, or one that is made for it: flights, flights-s0-1, data-flights-s0-1."""
    return re.fullmatch(rf"(data-)?{re.escape(database)}(-s\d+(-.*)?|-binding|-credentials|-ca)?", name) is not None


def _add_database(kube: Kube, wish: Wish, bundle: Bundle) -> None:
    try:
        bundle.add("shardeddatabase.json", _trim(kube.get(database_path(wish.namespace, wish.database))))
    except Forbidden as error:
        bundle.miss("shardeddatabase.json", error)


def _add_events(kube: Kube, wish: Wish, bundle: Bundle) -> None:
    try:
        items = kube.get(collection_path("v1", "events", wish.namespace))["items"]
    except KubeError as error:
        bundle.miss("objects/events.json", error)
        return
    ours = [_trim(item) for item in items if belongs_to(wish.database, item.get("involvedObject", {}).get("name", ""))]
    bundle.add("objects/events.json", ours)


def _add_operator(kube: Kube, wish: Wish, bundle: Bundle) -> None:
    namespaces = {wish.operator_namespace} if wish.operator_namespace else _find_operator_namespaces(kube, bundle)
    for namespace in sorted(namespaces):
        folder = f"operator/{namespace}"
        query = {"labelSelector": OPERATOR_SELECTOR}
        _list(kube, bundle, f"{folder}/deployments.json", collection_path("apps/v1", "deployments", namespace), query)
        pods = _list(kube, bundle, f"{folder}/pods.json", collection_path("v1", "pods", namespace), query)
        lease = f"{collection_path('coordination.k8s.io/v1', 'leases', namespace)}/{LEASE}"
        _get(kube, bundle, f"{folder}/lease.json", lease)
        _add_logs(kube, wish, bundle, folder, pods)


def _find_operator_namespaces(kube: Kube, bundle: Bundle) -> set[str]:
    try:
        found = find_operators(kube)
    except KubeError as error:
        told = f"looked in {DEFAULT_NAMESPACE} alone (another: --operator-namespace): {error}"
        bundle.miss("the operator's namespace", told)
        return {DEFAULT_NAMESPACE}
    if not found:
        bundle.miss("the operator", "no Deployment of it in any namespace")
    return {deployment["metadata"]["namespace"] for deployment in found}


def _add_versions(kube: Kube, versions: dict[str, str], bundle: Bundle) -> None:
    bundle.add("versions.json", versions)
    _get(kube, bundle, "versions-apiserver.json", "/version")
    _get(kube, bundle, "definition.json", _DEFINITION)


def _add_logs(kube: Kube, wish: Wish, bundle: Bundle, folder: str, pods: Iterable[Manifest]) -> None:
    """Of each container, and of the one before it if it was restarted."""
    for pod in pods:
        metadata, statuses = pod["metadata"], pod.get("status", {}).get("containerStatuses", ())
        restarted = {status["name"] for status in statuses if status.get("restartCount")}
        path = f"{collection_path('v1', 'pods', metadata['namespace'])}/{metadata['name']}/log"
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            name = f"{folder}/logs/{metadata['name']}.{container['name']}"
            query = {"container": container["name"], "tailLines": str(wish.log_lines), "limitBytes": str(_LOG_BYTES)}
            _add_log(kube, bundle, f"{name}.log", path, query)
            if container["name"] in restarted:
                _add_log(kube, bundle, f"{name}.previous.log", path, {**query, "previous": "true"})


def _add_log(kube: Kube, bundle: Bundle, name: str, path: str, query: dict[str, str]) -> None:
    try:
        bundle.add(name, kube.get_text(path, query))
    except KubeError as error:
        bundle.miss(name, error)


def _get(kube: Kube, bundle: Bundle, name: str, path: str) -> None:
    try:
        bundle.add(name, _trim(kube.get(path)))
    except KubeError as error:
        bundle.miss(name, "there is none" if isinstance(error, NotFound) else error)


def _list(kube: Kube, bundle: Bundle, name: str, path: str, query: dict[str, str]) -> list[Manifest]:
    try:
        items: list[Manifest] = [_trim(item) for item in kube.get(path, query)["items"]]
    except KubeError as error:
        bundle.miss(name, error)
        return []
    bundle.add(name, items)
    return items


def _trim(manifest: Manifest) -> dict[str, Any]:
    """Without the bookkeeping of server-side apply, which is long and says nothing."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key != "managedFields"}
    return {**manifest, "metadata": metadata} if "metadata" in manifest else manifest
