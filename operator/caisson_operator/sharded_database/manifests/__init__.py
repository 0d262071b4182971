"""The Kubernetes objects of a ShardedDatabase, from plain values: what they are called and what is in them. Pure.

The same input gives the same bytes: objects are applied server-side by one field manager, and Kubernetes refuses any
change to most of a StatefulSet. Who applies them, and when, is not decided here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from caisson_operator.core.layout import ShardAddress

from .binding import build_binding
from .inputs import BindingInput, DatabaseIdentity, ShardManifestInput
from .names import (
    ShardNames,
    authority_name,
    binding_name,
    build_address,
    build_server_names,
    credentials_name,
)
from .rights import build_rights
from .secrets import (
    build_authority_secret,
    build_certificate_secret,
    build_credentials_secret,
    build_secret_ownerships,
)
from .services import build_disruption_budgets, build_services
from .settings import build_cluster_settings
from .stateful_set import build_stateful_set

__all__ = [
    "BindingInput",
    "DatabaseIdentity",
    "ShardManifestInput",
    "ShardNames",
    "authority_name",
    "binding_name",
    "build_address",
    "build_authority_secret",
    "build_certificate_secret",
    "build_cluster_settings",
    "build_credentials_secret",
    "build_database_objects",
    "build_server_names",
    "build_shard_objects",
    "credentials_name",
]

Manifest = dict[str, Any]


def build_shard_objects(shard: ShardManifestInput) -> tuple[Manifest, ...]:
    """Everything of one shard, in the order in which to apply it: pods start with their rights, and write to Services that stand."""
    return (*build_services(shard), *build_disruption_budgets(shard), *build_rights(shard), build_stateful_set(shard))


def build_database_objects(
    database: DatabaseIdentity, addresses: Sequence[ShardAddress], binding: BindingInput, uids: Mapping[str, str]
) -> tuple[Manifest, ...]:
    """What the database has once. The Secrets of credentials and authority, whose `uids` these are, are never applied as a whole."""
    return (*build_secret_ownerships(database, binding.login, uids), build_binding(database, addresses, binding))
