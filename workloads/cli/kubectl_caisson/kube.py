"""The API server as the commands need it: three requests, on paths. The real one is `connection`, the tests' is in memory."""

from collections.abc import Mapping
from typing import Any, Protocol

from .errors import Unreachable

Manifest = dict[str, Any]

DATABASE_LABEL = "caisson.dev/database"
KIND_LABEL = "caisson.dev/kind"
OPERATOR_SELECTOR = "app.kubernetes.io/name=caisson,app.kubernetes.io/component=operator"


class Kube(Protocol):
    """Every method raises KubeError, of the kind that `errors` draws."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        """One object, or a list with `items`."""

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """What is no JSON: a log."""

    def merge_patch(self, path: str, change: Mapping[str, Any]) -> Manifest:
        """The object afterwards. A field of `change` that is None is taken away (RFC 7386)."""


class Nowhere:
    """For commands that ask no cluster."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        raise Unreachable(f"no cluster was connected to, so {path} cannot be read")

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        raise Unreachable(f"no cluster was connected to, so {path} cannot be read")

    def merge_patch(self, path: str, change: Mapping[str, Any]) -> Manifest:
        raise Unreachable(f"no cluster was connected to, so {path} cannot be changed")


def collection_path(api_version: str, plural: str, namespace: str | None) -> str:
    """All objects of a kind; in every namespace if there is none."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def database_path(namespace: str, name: str) -> str:
    return f"{collection_path('caisson.dev/v1alpha1', 'shardeddatabases', namespace)}/{name}"


def database_selector(name: str) -> str:
    """The labels of everything that the operator makes for a database."""
    return f"{KIND_LABEL}=ShardedDatabase,{DATABASE_LABEL}={name}"
