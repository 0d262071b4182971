"""What a room's `decide` may answer. The core returns values; only handlers turn them into retries and Events.

A decision carries its reason: a stable CamelCase word for conditions and Events, and a message for people.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One effect, safe to repeat. Each room declares its own steps as frozen subclasses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps to run in order, stopping at the first that fails; then observe and decide anew."""

    steps: tuple[Step, ...]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something outside has moved; look again after `seconds` at the latest."""

    reason: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """What was asked for cannot be done as it stands; a person has to change it. Nothing is lost meanwhile."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What was asked for is what is there."""


Decision = Plan | Wait | Refuse | Settled


def decide_first(*deciders: Callable[[], Decision]) -> Decision:
    """Ask in order and return the first answer that is not `Settled`: a decision as a readable list."""
    for decider in deciders:
        decision = decider()
        if not isinstance(decision, Settled):
            return decision
    return Settled()


class HeldUp(Exception):
    """A step let go because somebody else was in the way; nothing was changed, and nobody was cancelled.

    It is no failure: the frame looks again after `seconds`, and `reason` and `message` stand in the status meanwhile.
    """

    def __init__(self, reason: str, message: str, seconds: float) -> None:
        super().__init__(message)
        self.reason, self.message, self.seconds = reason, message, seconds


class Refused(Exception):
    """A step cannot be done as it was asked for; a person has to change something. What it began was undone.

    The frame takes it for a `Refuse`, and tries again only when the resource changes or at its slow resync.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
