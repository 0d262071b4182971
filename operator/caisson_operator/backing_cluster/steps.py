"""The steps of this room, each safe to repeat."""

from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Step


@dataclass(frozen=True, slots=True)
class MakeCredentials(Step):
    """Passwords, unless there are some."""


@dataclass(frozen=True, slots=True)
class MakeAuthority(Step):
    """Who vouches for the servers, unless there is one."""


@dataclass(frozen=True, slots=True)
class IssueCertificate(Step):
    """A new certificate for the servers: the Secret that their pods mount."""


@dataclass(frozen=True, slots=True)
class MakeEpoch(Step):
    """The ConfigMap of the epoch, unless there is one, beginning with a number that was told before."""

    number: int


@dataclass(frozen=True, slots=True)
class MakeLeading(Step):
    """Endpoints for the agents to write to, unless there are some."""


@dataclass(frozen=True, slots=True)
class Apply(Step):
    manifests: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Evict(Step):
    member: str
    uid: str


@dataclass(frozen=True, slots=True)
class SetLeastReplicas(Step):
    address: str
    least: int


@dataclass(frozen=True, slots=True)
class SetPriority(Step):
    """0: the member is never promoted."""

    address: str
    priority: int


@dataclass(frozen=True, slots=True)
class SetQuorum(Step):
    address: str
    quorum: int


@dataclass(frozen=True, slots=True)
class ForgetMembers(Step):
    """A Sentinel forgets those that are gone, and those that are there until it hears of them again."""

    address: str


@dataclass(frozen=True, slots=True)
class HandOver(Step):
    """Sentinel promotes another member."""

    address: str


@dataclass(frozen=True, slots=True)
class AddMember(Step):
    """A ZooKeeper member that follows as an observer gets a vote."""

    addresses: tuple[str, ...]
    number: int
    version: int


@dataclass(frozen=True, slots=True)
class RemoveMember(Step):
    """A ZooKeeper member loses its vote."""

    addresses: tuple[str, ...]
    number: int
    version: int
