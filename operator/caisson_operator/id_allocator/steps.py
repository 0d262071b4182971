"""The steps of this room, each safe to repeat."""

from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Step


@dataclass(frozen=True, slots=True)
class MakeCluster(Step):
    """The allocator's own BackingCluster, unless it is there: afterwards it is the user's to change."""


@dataclass(frozen=True, slots=True)
class MakeToken(Step):
    """What the servers ask of who wants ids, unless it is there."""


@dataclass(frozen=True, slots=True)
class MakeAuthority(Step):
    """Who vouches for the servers, unless it is there."""


@dataclass(frozen=True, slots=True)
class IssueCertificate(Step):
    """What the servers show, anew."""


@dataclass(frozen=True, slots=True)
class Apply(Step):
    manifests: tuple[dict[str, Any], ...]
