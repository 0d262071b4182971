"""What a store promises to an owner of a worker id, and what every store of worker ids must be able to do. Pure.

Who may move what: a row (or node) of the store belongs to one worker id and names its owner. Only `claim` changes the owner,
only the owner moves the mark `reserved_until_ms`, and nobody ever moves it back. Both are one compare-and-set in the store.
"""

from dataclasses import dataclass
from typing import Protocol

from caisson.errors import Error

NEVER = 0


class LeaseLost(Error):
    """The worker id is somebody else's by now. The allocator takes another one; no id of its own is handed out any more."""

    is_safe_to_retry = True


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to hand out ids of `worker` with timestamps in [`from_ms`, `until_ms`), in milliseconds of Unix time.

    No two grants of one worker id to different owners overlap. `owner` tells one claim from the next.
    """

    worker: int
    owner: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """The wall clock of `teller` (host and process) went back: `times` since it was started, by `furthest_ms` at most, the last time `ago_ms` ago."""

    teller: str
    times: int
    furthest_ms: int
    ago_ms: int


class WorkerStore(Protocol):
    """Keeps the worker ids of one space. Not thread-safe: one keeper calls it.

    Raises NotReachable where the store cannot be asked, or its answer is not known; whatever it did is then harmless.
    """

    def claim(self, now_ms: int, reserve_ms: int) -> Grant:
        """Take a worker id whose lease has ended and whose mark has passed, by `now_ms` and by the store's own clock.

        The new grant begins no earlier than the mark that it found. Its lease lasts `reserve_ms`. Raises NoWorkerId.
        """
        ...

    def extend(self, grant: Grant, until_ms: int, lease_ms: int) -> Grant:
        """Renew the lease, and move the mark to `until_ms` where that is further. Raises LeaseLost."""
        ...

    def release(self, grant: Grant) -> None:
        """End the lease; the mark stays. Does nothing where it is somebody else's."""
        ...

    def report_rollback(self, grant: Grant, report: RollbackReport) -> None:
        """Leave a note, for people, beside the worker id, instead of the one that is there. Says nothing of the lease, and moves no mark.

        Raises ConfigurationError where the store has no place for it.
        """
        ...

    def count_leased(self) -> int:
        """How many worker ids have an owner at present."""
        ...

    def close(self) -> None: ...


class NotReachable(Error):
    """The store of an allocator did not answer in time, or not in a way that counts."""

    is_safe_to_retry = True
