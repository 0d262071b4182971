"""What this room may do, each safe to repeat."""

from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Step


@dataclass(frozen=True, slots=True)
class Apply(Step):
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenSpace(Step):
    """The space serves with epochs above `base`; where it does so already nothing changes."""

    base: int


@dataclass(frozen=True, slots=True)
class Release(Step):
    """Whoever holds with a greater token came later, and keeps the lock."""

    lock: str
    highest_token: int
