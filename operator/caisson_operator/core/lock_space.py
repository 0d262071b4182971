"""A lock space as it is read from its store, whichever that is. Pure.

How stores lay it out is in docs/reference/lock-stores.md; the SDK writes it, and the operator's effects read it.
"""

from dataclasses import dataclass

COUNTER_BITS = 40


@dataclass(frozen=True, slots=True)
class Holder:
    owner: str
    mode: str
    """exclusive, shared or permit."""
    token: int
    held_seconds: float


@dataclass(frozen=True, slots=True)
class Lock:
    name: str
    holders: tuple[Holder, ...]
    waiting: tuple[str, ...]
    """Owners."""


@dataclass(frozen=True, slots=True)
class SpaceView:
    """`is_open`: the store grants locks of this space. `base` is what is added to the store's own epochs (0 on Redis, whose
    agent keeps the number), and is in `epoch` already."""

    is_open: bool
    epoch: int = 0
    base: int = 0
    granted: int = 0
    waited: int = 0
    locks: tuple[Lock, ...] = ()


class StoreUnreachable(Exception):
    """The store gave no answer, or refused; one line without secrets."""


class StoreUnusable(Exception):
    """It answers, and will never do as it is: a person has to change something."""


def join_token(epoch: int, counter: int) -> int:
    return epoch << COUNTER_BITS | counter
