"""What the operator says about an IdAllocator: a cache of the truth, which its store and its servers have."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from .base import ShortText, Wire, keyed_by
from .status import Binding, Condition, Timestamp

_WORD = WithJsonSchema({"type": "string", "maxLength": 32})


class AllocatorPhase(StrEnum):
    WAITING = "Waiting"
    READY = "Ready"
    DEGRADED = "Degraded"
    REFUSED = "Refused"


class ServerStatus(Wire):
    """The servers of ids over HTTP."""

    url: Annotated[str, Field(max_length=300)]
    """Where programs of the cluster ask for ids."""
    replicas: Annotated[int, Field(ge=0)] = 0
    """Servers that exist."""
    ready: Annotated[int, Field(ge=0)] = 0
    """Servers that have ids to give."""
    certificate_ends: Timestamp | None = None
    """When the certificate that the servers show runs out. It is renewed after two thirds of its life."""
    allocated: Annotated[int, Field(ge=0)] | None = None
    """Ids that the servers have handed out since they were started."""
    clock_rollbacks: Annotated[int, Field(ge=0)] | None = None
    """How often their wall clocks were seen to go back since."""
    leased_worker_ids: Annotated[int, Field(ge=0)] | None = None
    """Of mode snowflake: worker ids that have an owner, whether a server or an application, as a server last counted them."""
    worker_ids: Annotated[int, Field(ge=0)] | None = None
    """Of mode snowflake: worker ids that the layout has."""


class IdAllocatorStatus(Wire):
    """What the operator last saw of the allocator."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status speaks of."""
    phase: Annotated[AllocatorPhase, _WORD] | None = None
    """A summary in one word, for people."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra=keyed_by("type")
    )
    """Ready, BackendReady, Progressing and ClockRollback, each with a stable reason."""
    binding: Binding | None = None
    """Where applications find how to allocate."""
    backend: ShortText | None = None
    """The object whose store is used."""
    server: ServerStatus | None = None
    """The servers, where there are any."""
