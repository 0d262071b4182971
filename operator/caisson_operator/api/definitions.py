"""The CustomResourceDefinitions, made from the models: what the API server knows of our kinds."""

from typing import Any

from .base import rule
from .sharded_database_spec import ShardedDatabaseSpec
from .sharded_database_status import ShardedDatabaseStatus
from .structural import structural_schema

GROUP = "caisson.dev"
VERSION = "v1alpha1"

_NAME_RULES = [
    rule("size(self.metadata.name) <= 30", "a name has at most 30 characters"),
    rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "a name is made of lower-case letters, digits and '-', starts with a letter and does not end with '-'",
    ),
]
# The text is compared with one element only: comparing it with each would exceed the API server's budget for a rule.
_IS_APPLIED_KEPT = (
    "!has(oldSelf.status) || !has(oldSelf.status.migrationsApplied) || "
    "oldSelf.spec.schema.migrations.all(o, !(o.id in oldSelf.status.migrationsApplied) || "
    "(self.spec.schema.migrations.exists(n, n.id == o.id) && "
    "self.spec.schema.migrations.filter(n, n.id == o.id)[0].sql == o.sql))"
)
_MIGRATION_RULE = rule(
    _IS_APPLIED_KEPT,
    "a migration that has been applied can neither be changed nor taken away: add another one after it",
)
_COLUMNS = [
    ("Phase", "string", ".status.phase", "A summary in one word"),
    ("Shards", "integer", ".status.shardCount", "Shards that exist"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether reads and writes are served"),
    ("Expansion", "string", ".status.expansion.phase", "Phase of the expansion"),
    ("Moved", "integer", ".status.expansion.buckets.moved", "Buckets that have moved"),
    ("Of", "integer", ".status.expansion.buckets.total", "Buckets that are to move"),
    ("Age", "date", ".metadata.creationTimestamp", "When the resource was made"),
]


def sharded_database_definition() -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Taking the chart away must not take every database with it.
        "metadata": {"name": f"shardeddatabases.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "ShardedDatabase",
                "listKind": "ShardedDatabaseList",
                "plural": "shardeddatabases",
                "singular": "shardeddatabase",
                "shortNames": ["sdb"],
                "categories": ["caisson"],
            },
            "versions": [_sharded_database_version()],
        },
    }


def _sharded_database_version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _sharded_database_schema()},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.shards", "statusReplicasPath": ".status.shardCount"},
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": description}
            for name, kind, path, description in _COLUMNS
        ],
    }


def _sharded_database_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A PostgreSQL database in several shards, which grows online.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this kind's schema."},
            "kind": {"type": "string", "description": "The kind: ShardedDatabase."},
            "metadata": {"type": "object"},
            "spec": structural_schema(ShardedDatabaseSpec),
            "status": structural_schema(ShardedDatabaseStatus),
        },
        "x-kubernetes-validations": [*_NAME_RULES, _MIGRATION_RULE],
    }


def all_definitions() -> list[dict[str, Any]]:
    return [sharded_database_definition()]
