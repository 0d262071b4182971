"""A lock that is held: how its holder knows that it still is, and what a shard is told of it."""

from collections.abc import Callable, Hashable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from caisson.errors import ConfigurationError, LockLost
from caisson.fence import Fence
from caisson.locks.renewal import believed_until
from caisson.locks.store import Grant, Mode

if TYPE_CHECKING:
    from caisson.locks.keeper import Keeper

OnLost = Callable[["Held"], object]


class Held:
    """One hold of a lock. Use it in a `with`, whose end releases it; or call `release`.

    It is renewed in the background until then. If renewal fails it is over before its lease can run out on the store:
    `is_valid` turns false, `check` raises, and `on_lost` is called. A process that was stopped for longer than the lease
    can act on a lock that another holds by then, however it checks: only a fence keeps its writes out
    (`db.run(key, fn, fence=held)`).
    """

    __slots__ = ("_depth", "_ends_at", "_keeper", "_loss", "_on_lost", "believed_until", "grant", "key", "leased_at")

    def __init__(self, keeper: "Keeper", key: Hashable, grant: Grant, on_lost: OnLost | None) -> None:
        self.key = key
        self.grant = grant
        self._keeper = keeper
        self._depth = 1
        self._loss: str | None = None
        self._on_lost = on_lost
        self._ends_at = grant.leased_at + keeper.longest_seconds
        self.note_lease(grant.leased_at)

    @property
    def name(self) -> str:
        """The lock's name."""
        return self.grant.claim.name

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every hold of this lock that was granted before."""
        return self.grant.token

    @property
    def is_valid(self) -> bool:
        """Whether the lock is still held for certain, by this process's monotonic clock. Asks nobody."""
        return self._loss is None and self._keeper.clock() < self.believed_until

    def check(self) -> None:
        """Raise LockLost unless the lock is still held for certain. Asks nobody."""
        if not self.is_valid:
            raise LockLost(f"the lock {self.name!r} is held no longer: {self._loss or self.reason_of_end()}")

    def fences(self) -> tuple[Fence, ...]:
        """What `db.run(..., fence=held)` has the shard check. Raises LockLost, or ConfigurationError where several may
        hold at once (then an older token is no reason to refuse) or the lock space has fencing turned off."""
        if self.grant.claim.mode is not Mode.EXCLUSIVE:
            raise ConfigurationError(f"{self.name!r} is held by several at once: a fence needs an exclusive hold")
        if not self._keeper.policy.has_fencing:
            raise ConfigurationError(f"the lock space {self._keeper.policy.space!r} has fencing turned off")
        self.check()
        return (Fence(f"{self._keeper.policy.space}:{self.name}", self.token),)

    def release(self) -> None:
        """Give it back (what was held again by its holder, once for each time). Raises LockLost if it was lost before.

        If the store does not answer, nothing is raised: it is told later, or the lease ends the hold.
        """
        if self._depth > 1:
            self._depth -= 1
        elif self._depth == 1:
            self._depth = 0
            loss = self._keeper.let_go(self)
            if loss is not None:
                raise LockLost(f"the lock {self.name!r} was lost while it was held: {loss}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except LockLost:
            if kind is None:
                raise

    def __repr__(self) -> str:
        return f"<Held {self.name!r} token={self.token} {'valid' if self.is_valid else 'over'}>"

    # What follows is for the keeper.

    @property
    def loss(self) -> str | None:
        """Why it was lost, if it was."""
        return self._loss

    def enter_again(self) -> Self:
        """Hold it once more, as the same holder."""
        self.check()
        self._depth += 1
        return self

    def note_lease(self, leased_at: float) -> None:
        """A lease was granted or renewed by a request that began then."""
        self.leased_at = leased_at
        self.believed_until = believed_until(leased_at, self._keeper.store.lease_seconds, self._ends_at)

    def reason_of_end(self) -> str:
        if self.believed_until >= self._ends_at:
            return f"maxHold ({self._keeper.longest_seconds:g} s) is over"
        return "its lease could not be renewed in time"

    def note_loss(self, reason: str) -> None:
        """It is over. The holder is told once."""
        if self._loss is None:
            self._loss = reason
            if self._on_lost is not None:
                self._on_lost(self)
