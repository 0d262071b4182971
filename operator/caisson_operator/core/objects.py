"""Whose an object is, and how long it stays: metadata of what the operator makes for a resource, and Secrets. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .events import KIND_LABEL, NAME_LABEL


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource that objects belong to. `keeps_data`: its deletionPolicy is Retain."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    keeps_data: bool = True

    @property
    def labels(self) -> dict[str, str]:
        return {KIND_LABEL: self.kind, NAME_LABEL: self.name}

    def owned(self, name: str) -> dict[str, Any]:
        """Metadata of what goes with the resource, collected by Kubernetes itself: there are no finalizers."""
        owner = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        return {**self.kept(name), "ownerReferences": [owner]}

    def kept(self, name: str) -> dict[str, Any]:
        """Metadata of what stays when the resource goes."""
        return {"name": name, "namespace": self.namespace, "labels": self.labels}

    def beside_volumes(self, name: str) -> dict[str, Any]:
        """Metadata of what the volumes cannot be opened or trusted without: it stays as long as they do."""
        return self.kept(name) if self.keeps_data else self.owned(name)


def build_secret(metadata: Mapping[str, Any], kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """`data`, not `stringData`: the server never gives the latter back, so that its ownership is lost."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "type": kind, "data": data}


def read_secret(secret: Mapping[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
