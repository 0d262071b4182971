"""The CustomResourceDefinitions: what the API server knows of our kinds. A new kind is one more line here."""

from typing import Any

from .backing_cluster_definition import BACKING_CLUSTER
from .distributed_lock_definition import DISTRIBUTED_LOCK
from .id_allocator_definition import ID_ALLOCATOR
from .sharded_database_definition import SHARDED_DATABASE

DEFINITIONS = (
    BACKING_CLUSTER,
    DISTRIBUTED_LOCK,
    ID_ALLOCATOR,
    SHARDED_DATABASE,
)


def all_definitions() -> list[dict[str, Any]]:
    return [definition.build() for definition in DEFINITIONS]
