"""One resource of a kind, or all of a namespace."""

from dataclasses import dataclass

from .errors import NotSo
from .kube import Kube, Manifest, collection_path


@dataclass(frozen=True, slots=True)
class Kind:
    """Of caisson.dev/v1alpha1; `short` is what people type."""

    name: str
    plural: str
    short: str

    def path(self, namespace: str, name: str | None = None) -> str:
        root = collection_path("caisson.dev/v1alpha1", self.plural, namespace)
        return f"{root}/{name}" if name else root


def fetch(kube: Kube, kind: Kind, namespace: str, name: str | None) -> list[Manifest]:
    """Raises NotSo where there is none."""
    if name is not None:
        return [kube.get(kind.path(namespace, name))]
    found: list[Manifest] = kube.get(kind.path(namespace))["items"]
    if not found:
        raise NotSo(
            f"there is no {kind.name} in namespace {namespace}. All of them: kubectl get {kind.short} --all-namespaces"
        )
    return found
