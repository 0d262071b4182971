"""The operator's own Deployment, as far as the user may see it: is it there, and which namespaces does it watch?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import KubeError, Unreachable
from .kube import OPERATOR_SELECTOR, Kube, Manifest, collection_path

DEFAULT_NAMESPACE = "caisson-system"
LEASE = "caisson-operator"
_WATCHED = "CAISSON_WATCH_NAMESPACES"


@dataclass(frozen=True, slots=True)
class Release:
    namespace: str
    ready_replicas: int
    watched: str | None

    def watches(self, namespace: str) -> bool | None:
        """None where it cannot be told."""
        if self.watched is None:
            return None
        return self.watched == "*" or namespace in (self.watched.strip() or self.namespace).split(",")


def find_operators(kube: Kube, namespace: str | None = None) -> list[Manifest]:
    """The operator's Deployments, in one namespace or anywhere. Raises KubeError."""
    path = collection_path("apps/v1", "deployments", namespace)
    found: list[Manifest] = kube.get(path, {"labelSelector": OPERATOR_SELECTOR})["items"]
    return found


def read_release(deployment: Mapping[str, Any]) -> Release:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    values = {entry["name"]: entry.get("value") for container in containers for entry in container.get("env", ())}
    return Release(
        deployment["metadata"]["namespace"], deployment.get("status", {}).get("readyReplicas", 0), values.get(_WATCHED)
    )


def explain_silence(kube: Kube, namespace: str) -> str:
    """Why the operator may not have answered to a resource of this namespace. Raises nothing: it only helps."""
    try:
        found = find_operators(kube)
    except Unreachable as error:
        return str(error)
    except KubeError:
        return (
            f"whether the operator runs is not yours to see: ask whether it does, and whether it watches {namespace} "
            "(value watchNamespaces of the chart)"
        )
    return describe_releases([read_release(deployment) for deployment in found], namespace)


def describe_releases(releases: list[Release], namespace: str) -> str:
    if not releases:
        return "no operator is installed in this cluster (helm install caisson ...)"
    watching = [release for release in releases if release.watches(namespace) is not False]
    if not watching:
        told = "; ".join(f"the one in {release.namespace} watches {release.watched}" for release in releases)
        return f"no operator watches namespace {namespace}: {told} (value watchNamespaces of the chart)"
    if all(release.ready_replicas == 0 for release in watching):
        places = ", ".join(release.namespace for release in watching)
        return f"the operator in {places} has no ready replica: kubectl get pods -n {watching[0].namespace}"
    return f"the operator in {watching[0].namespace} runs; its log may say more: kubectl caisson report"
