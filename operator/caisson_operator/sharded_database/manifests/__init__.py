"""The Kubernetes objects of a ShardedDatabase, from plain values: what they are called and what is in them. Pure.

The same input gives the same bytes: objects are applied server-side by one field manager, and Kubernetes refuses any
change to most of a StatefulSet. Who applies them, and when, is not decided here.
"""

from collections.abc import Sequence
from typing import Any

from .binding import build_binding
from .inputs import DatabaseIdentity, ShardManifestInput
from .names import ShardNames, binding_name, build_address, credentials_name
from .secrets import build_credentials_ownership, build_credentials_secret
from .services import build_disruption_budget, build_services
from .settings import build_cluster_settings
from .stateful_set import build_stateful_set

__all__ = [
    "DatabaseIdentity",
    "ShardManifestInput",
    "ShardNames",
    "binding_name",
    "build_address",
    "build_cluster_settings",
    "build_credentials_secret",
    "build_database_objects",
    "build_shard_objects",
    "credentials_name",
]

Manifest = dict[str, Any]


def build_shard_objects(shard: ShardManifestInput) -> tuple[Manifest, ...]:
    """Everything of one shard, in the order in which to apply it: Services stand before the pods write to them."""
    return (*build_services(shard), build_disruption_budget(shard), build_stateful_set(shard))


def build_database_objects(
    database: DatabaseIdentity, shards: Sequence[str], application_password: str
) -> tuple[Manifest, ...]:
    """What the database has once. `build_credentials_secret` comes first, and by create alone: made once, never applied."""
    addresses = tuple(build_address(database, shard) for shard in shards)
    return (build_credentials_ownership(database), build_binding(database, addresses, application_password))
