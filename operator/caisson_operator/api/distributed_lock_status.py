"""What the operator says about a DistributedLock: a cache of the truth, which its store has.

Everything is optional and nothing is a trigger. Words are free text in the schema, so that an older definition does not
refuse what a newer operator has to say.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from .base import Duration, Message, ShortText, Wire, keyed_by
from .status import Binding, Condition, Timestamp

MOST_LOCKS = 50
LONGEST_TEXT = 1024
Count = Annotated[int, Field(ge=0)]
_WORD = WithJsonSchema({"type": "string", "maxLength": 32})


class ReleasePhase(StrEnum):
    REQUESTED = "Requested"
    DONE = "Done"
    REFUSED = "Refused"


class LockView(Wire):
    """One lock that is held or waited for."""

    name: Annotated[str, Field(max_length=LONGEST_TEXT)]
    """Its name, cut after 512 characters."""
    mode: ShortText | None = None
    """exclusive, shared, or permit (of a semaphore); absent while nobody holds it."""
    held: Count = 0
    """How many hold it."""
    waiting: Count = 0
    """How many wait for it."""
    owner: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    """Who has held it longest: host, process and number, as the client names itself."""
    token: Count | None = None
    """The fencing token of that hold."""
    held_since: Timestamp | None = None
    """Since when it is held."""


class ReleaseStatus(Wire):
    """The last release that was asked for by the annotation caisson.dev/release-lock."""

    request: Annotated[str, Field(max_length=LONGEST_TEXT)]
    """The id of the request, or the annotation's text where it has not the wanted form."""
    lock: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    """The lock that is to be released."""
    phase: Annotated[ReleasePhase, _WORD]
    """Requested, Done or Refused."""
    highest_token: Count | None = None
    """Holds with a greater token came later than the request, and keep the lock."""
    released: Count | None = None
    """How many lost it."""
    message: Message | None = None
    """The same in words."""
    at: Timestamp | None = None
    """When it came to this phase."""

    @property
    def is_over(self) -> bool:
        return self.phase is not ReleasePhase.REQUESTED


class DistributedLockStatus(Wire):
    """What the operator last saw of the lock space."""

    observed_generation: Count | None = None
    """The generation of the spec that this status speaks of."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra=keyed_by("type")
    )
    """Ready, BackendReady, Degraded and StaleHolder, each with a stable reason."""
    binding: Binding | None = None
    """Where applications find how to connect."""
    held: Count | None = None
    """Locks that are held."""
    waiting: Count | None = None
    """Claims that wait for a lock."""
    longest_hold: Duration | None = None
    """How long the lock has been held that is held longest."""
    longest_wait: Duration | None = None
    """How long the claim waits that the operator has seen waiting longest."""
    contention: Annotated[int, Field(ge=0, le=100)] | None = None
    """Of 100 locks that were granted since the operator looked before, how many had to be waited for."""
    granted: Count | None = None
    """Locks granted since the space was made, or its store was wiped."""
    waited: Count | None = None
    """Those of them that had to be waited for."""
    epoch: Count | None = None
    """The highest epoch of the store that the operator has seen: the upper part of fencing tokens."""
    locks: Annotated[tuple[LockView, ...], Field(max_length=MOST_LOCKS)] = ()
    """The locks that are waited for most and held longest, at most 50."""
    release: ReleaseStatus | None = None
    """The last release that was asked for."""
