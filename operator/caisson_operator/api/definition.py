"""How a CustomResourceDefinition is made from a kind's models."""

from dataclasses import dataclass
from typing import Any

from .base import Wire, rule
from .structural import structural_schema

GROUP = "caisson.dev"
VERSION = "v1alpha1"

NAME_RULES = (
    rule("size(self.metadata.name) <= 30", "a name has at most 30 characters"),
    rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "a name is made of lower-case letters, digits and '-', starts with a letter and does not end with '-'",
    ),
)
AGE = ("Age", "date", ".metadata.creationTimestamp", "When the resource was made")

Column = tuple[str, str, str, str]
"""Name, type, path and description of a column that `kubectl get` prints."""


@dataclass(frozen=True, slots=True)
class Definition:
    kind: str
    short_name: str
    description: str
    spec: type[Wire]
    status: type[Wire]
    columns: tuple[Column, ...]
    scale: tuple[str, str] | None = None
    """Paths of the wanted and of the present number, for kubectl scale."""
    rules: tuple[dict[str, str], ...] = NAME_RULES

    def build(self) -> dict[str, Any]:
        singular = self.kind.lower()
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            # Taking the chart away must not take every resource with it.
            "metadata": {"name": f"{singular}s.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": f"{singular}s",
                    "singular": singular,
                    "shortNames": [self.short_name],
                    "categories": ["caisson"],
                },
                "versions": [self._build_version()],
            },
        }

    def _build_version(self) -> dict[str, Any]:
        wanted_path, present_path = self.scale or ("", "")
        scale = {"scale": {"specReplicasPath": wanted_path, "statusReplicasPath": present_path}} if self.scale else {}
        return {
            "name": VERSION,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": self._build_schema()},
            "subresources": {"status": {}, **scale},
            "additionalPrinterColumns": [
                {"name": name, "type": kind, "jsonPath": path, "description": description}
                for name, kind, path, description in self.columns
            ],
        }

    def _build_schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "description": self.description,
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string", "description": "Version of this kind's schema."},
                "kind": {"type": "string", "description": f"The kind: {self.kind}."},
                "metadata": {"type": "object"},
                "spec": structural_schema(self.spec),
                "status": structural_schema(self.status),
            },
            "x-kubernetes-validations": list(self.rules),
        }
