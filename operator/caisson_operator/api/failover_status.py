"""What the operator says about changes of a shard's leader: those that happened, and the one that was asked for."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from .base import Message, ShortText, Wire
from .status import PreciseTimestamp, Timestamp

MAXIMUM_FAILOVERS = 10
REQUEST_LENGTH = 256

MemberName = Annotated[str, Field(max_length=253)]
Timeline = Annotated[int, Field(ge=0)]
# Free text in the schema, so that an older definition does not refuse what a newer operator has to say.
_WORD_SCHEMA = WithJsonSchema({"type": "string", "maxLength": 32})


def _named(name: str) -> Any:
    """Words that a resource may use and Python may not, or would say otherwise."""
    return Field(default=None, validation_alias=name, serialization_alias=name)


class FailoverCause(StrEnum):
    SWITCHOVER = "Switchover"
    PRIMARY_LOST = "PrimaryLost"
    PRIMARY_RESTARTED = "PrimaryRestarted"


class SwitchoverPhase(StrEnum):
    REQUESTED = "Requested"
    RUNNING = "Running"
    DONE = "Done"
    REFUSED = "Refused"
    FAILED = "Failed"


class FailoverStatus(Wire):
    """One change of a shard's leader. What nobody saw, and what no record tells any more, is left out."""

    shard: ShortText
    """Shard that it happened to."""
    at: Timestamp | None = None
    """When the new leader was promoted, by the clock of its node."""
    from_member: MemberName | None = _named("from")
    """Pod that led before."""
    to_member: MemberName | None = _named("to")
    """Pod that was promoted."""
    timeline_before: Timeline
    """PostgreSQL's timeline that ended."""
    timeline_after: Timeline | None = None
    """PostgreSQL's timeline that began."""
    duration_seconds: Annotated[float, Field(ge=0)] | None = None
    """From the last sign of life of the old leader, or from the request of a switchover, to the promotion."""
    cause: Annotated[FailoverCause, _WORD_SCHEMA] | None = None
    """Switchover: it was asked for. PrimaryLost: the leader was gone. PrimaryRestarted: the same member leads again."""
    lost: Annotated[str, Field(max_length=512)] | None = None
    """none, only where every acknowledged commit is known to be there; otherwise unknown, with the reason."""

    @property
    def key(self) -> tuple[str, int]:
        """Names it among those of the database: a shard's timelines only rise."""
        return self.shard, self.timeline_before


class LeaderStatus(Wire):
    """A shard's leader as Patroni's records told it: what the history of its successor will not tell."""

    member: MemberName
    """Pod that leads, or led."""
    timeline: Timeline
    """PostgreSQL's timeline that it leads on. It stays here until the history has gone beyond."""
    synchronous_standby: MemberName | None = None
    """Pod that has every commit which the leader has acknowledged: the one that a failover promotes."""
    heard_at: PreciseTimestamp | None = None
    """When it renewed its lead last; only while it is found gone."""
    is_requested: bool | None = _named("requested")
    """true while Patroni is asked to move the lead, by whomsoever, and before the operator itself asks."""


class SwitchoverStatus(Wire):
    """A switchover that was asked for. Each request is run once, whatever dies meanwhile."""

    request: Annotated[str, Field(max_length=REQUEST_LENGTH)]
    """Id of the request: the last part of the annotation."""
    shard: ShortText | None = None
    """Shard whose leader was to move."""
    from_member: MemberName | None = _named("from")
    """Pod that led when it was asked for."""
    to_member: MemberName | None = _named("to")
    """Pod that was to lead."""
    timeline_before: Timeline | None = None
    """PostgreSQL's timeline when it was asked for: it rises once."""
    phase: Annotated[SwitchoverPhase, _WORD_SCHEMA]
    """Requested, Running, Done, Refused or Failed."""
    message: Message | None = None
    """What it is doing, or why it was not done and what to do."""
    at: Timestamp | None = None
    """When it came to this phase."""

    @property
    def is_over(self) -> bool:
        return self.phase in (SwitchoverPhase.DONE, SwitchoverPhase.REFUSED, SwitchoverPhase.FAILED)
