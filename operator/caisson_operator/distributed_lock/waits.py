"""How long claims have waited, by when they were seen first. Pure."""

from collections.abc import Mapping
from datetime import datetime

from caisson_operator.core.lock_space import SpaceView

Seen = Mapping[tuple[str, str], datetime]
"""Lock and owner -> when it was first seen waiting."""


def note_waiting(seen: Seen, space: SpaceView | None, now: datetime) -> dict[tuple[str, str], datetime]:
    locks = space.locks if space else ()
    return {(lock.name, owner): seen.get((lock.name, owner), now) for lock in locks for owner in lock.waiting}


def find_longest_wait(seen: Seen, now: datetime) -> float:
    return max(((now - since).total_seconds() for since in seen.values()), default=0.0)
