"""A custom resource as the operator reads it, checked once more on our side: the schema may be older than this code."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from .backing_cluster_spec import BackingClusterSpec
from .base import Wire
from .distributed_lock_spec import DistributedLockSpec
from .id_allocator_spec import IdAllocatorSpec
from .sharded_database_spec import ShardedDatabaseSpec


class InvalidResource(ValueError):
    """The resource does not say what its kind allows; the text names each field and what is wrong with it."""


class Metadata(Wire):
    """The part of an object's metadata that a room may look at."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str
    uid: str
    generation: int = 0
    deletion_timestamp: datetime | None = None
    annotations: dict[str, str] = Field(default_factory=dict)


AnyResource = TypeVar("AnyResource", bound="Resource")


class Resource(Wire):
    """What every kind has; each adds its `spec`.

    `status` is what was told last, by whichever version: only what cannot be read elsewhere again is taken from it.
    """

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    status: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace


class ShardedDatabase(Resource):
    """One ShardedDatabase: what it is called and what its user asks for."""

    spec: ShardedDatabaseSpec


class BackingCluster(Resource):
    """One BackingCluster: what it is called and what its user asks for."""

    spec: BackingClusterSpec


class DistributedLock(Resource):
    """One DistributedLock: what it is called and what its user asks for."""

    spec: DistributedLockSpec


def load_distributed_lock(manifest: Mapping[str, Any]) -> DistributedLock:
    """Raises InvalidResource."""
    return load(DistributedLock, manifest)


class IdAllocator(Resource):
    """One IdAllocator: what it is called and what its user asks for."""

    spec: IdAllocatorSpec


def load_id_allocator(manifest: Mapping[str, Any]) -> IdAllocator:
    """Raises InvalidResource."""
    return load(IdAllocator, manifest)


def load_backing_cluster(manifest: Mapping[str, Any]) -> BackingCluster:
    """Raises InvalidResource."""
    return load(BackingCluster, manifest)


def load_sharded_database(manifest: Mapping[str, Any]) -> ShardedDatabase:
    """Raises InvalidResource."""
    return load(ShardedDatabase, manifest)


def load(model: type[AnyResource], manifest: Mapping[str, Any]) -> AnyResource:
    """Raises InvalidResource. By way of JSON, where strict models take a text for an enum and a list for a tuple."""
    try:
        return model.model_validate_json(json.dumps(manifest))
    except ValidationError as error:
        raise InvalidResource("; ".join(_explain(finding) for finding in error.errors(include_url=False))) from error


def _explain(finding: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in finding["loc"])
    return f"{path}: {finding['msg']}"
