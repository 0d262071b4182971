"""What the operator says about a BackingCluster: a cache of the truth, which its members and the epoch's ConfigMap have.

Everything is optional and nothing is a trigger. Words are free text in the schema, so that an older definition does not
refuse what a newer operator has to say.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from .base import Message, ShortText, Wire, keyed_by
from .failover_status import MemberName
from .status import Binding, Condition, Timestamp

_WORD = WithJsonSchema({"type": "string", "maxLength": 32})


class BackingPhase(StrEnum):
    PROVISIONING = "Provisioning"
    READY = "Ready"
    SCALING = "Scaling"
    UPDATING = "Updating"
    DEGRADED = "Degraded"
    REFUSED = "Refused"


class MemberRole(StrEnum):
    PRIMARY = "primary"
    REPLICA = "replica"
    LEADER = "leader"
    FOLLOWER = "follower"
    OBSERVER = "observer"
    UNKNOWN = "unknown"


class MemberStatus(Wire):
    """One member as the operator last saw it."""

    name: ShortText
    """Name of its pod."""
    role: Annotated[MemberRole, _WORD] = MemberRole.UNKNOWN
    """primary or replica (redis); leader, follower or observer (zookeeper); unknown while it does not answer."""
    ready: bool = False
    """Whether it serves, as its pod tells."""
    is_updated: bool | None = Field(default=None, validation_alias="updated", serialization_alias="updated")
    """Whether it runs what is wanted now: image, resources and settings."""
    epoch: Annotated[int, Field(ge=0)] | None = None
    """Of an independent primary: the epoch that it serves under."""
    message: Message | None = None
    """Why it does not serve, where that is known."""


class BackingClusterStatus(Wire):
    """What the operator last saw of the cluster."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status speaks of."""
    phase: Annotated[BackingPhase, _WORD] | None = None
    """A summary in one word, for people."""
    member_count: Annotated[int, Field(ge=0)] | None = None
    """Members that exist, as the scale subresource tells it."""
    ready_members: Annotated[int, Field(ge=0)] | None = None
    """Members that serve."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra=keyed_by("type")
    )
    """Ready, Progressing, Degraded, LeaderLost, Updating and MemberLost, each with a stable reason."""
    binding: Binding | None = None
    """Where applications find how to connect."""
    leader: MemberName | None = None
    """Pod that takes writes; absent while there is none, and where all members do (topology independent)."""
    last_leader: MemberName | None = None
    """The leader, or while there is none the one that led last."""
    leader_since: Timestamp | None = None
    """When the operator saw it lead first."""
    epoch: Annotated[int, Field(ge=0)] | None = None
    """Of type redis: the highest number that was given to a primary. Fencing tokens begin with it."""
    certificate_ends: Timestamp | None = None
    """When the certificate of its servers runs out. It is renewed after two thirds of its life."""
    members: Annotated[tuple[MemberStatus, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra=keyed_by("name")
    )
    """The members, one by one."""
