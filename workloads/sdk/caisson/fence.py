"""What a write brings along so that a shard can refuse it when its lock has gone to another. Pure."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fence:
    """`lock` is the lock's full name (its space, then its own), `token` that of the hold under which the write is made."""

    lock: str
    token: int


class Fenced(Protocol):
    """Something that is held: caisson.Held, or several at once (caisson.MultiHeld)."""

    def fences(self) -> tuple[Fence, ...]:
        """What a shard is to check. Raises LockLost if it is known already that the hold is over."""
