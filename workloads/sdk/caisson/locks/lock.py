"""The locks that an application asks a space for: plain, for reading and writing, in number, several at once."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from caisson.errors import ConfigurationError
from caisson.fence import Fence
from caisson.locks.hold import Held, OnLost
from caisson.locks.keeper import Keeper
from caisson.locks.store import Claim


class Lock:
    """One way to hold one name. Costs nothing to make; the same name is the same lock, everywhere in the space."""

    __slots__ = ("_claim", "_keeper")

    def __init__(self, keeper: Keeper, claim: Claim) -> None:
        self._keeper = keeper
        self._claim = claim

    @property
    def name(self) -> str:
        return self._claim.name

    def hold(self, timeout: float | None = None, *, on_lost: OnLost | None = None) -> Held:
        """Wait for the lock, at most `timeout` seconds (None: for ever), and hold it: `with lock.hold(timeout=5) as held`.

        Who holds it already (this thread, or this task) holds it once more, where the space is reentrant. `on_lost(held)`
        is called, from another thread, if it is lost before it is released; it should be quick. Of nested holds the
        first one's counts.
        Raises LockTimeout, or StoreUnavailable if the store gave no answer.
        """
        held = self._keeper.acquire(self._claim, timeout, on_lost, must_wait=True)
        assert held is not None
        return held

    def try_hold(self, *, on_lost: OnLost | None = None) -> Held | None:
        """Hold the lock if it is free now, else None. Raises StoreUnavailable if the store gave no answer."""
        return self._keeper.acquire(self._claim, 0, on_lost, must_wait=False)

    def __repr__(self) -> str:
        return f"<Lock {self.name!r} {self._claim.mode.value}>"


class ReadWriteLock:
    """Many may hold `read` at a time, or one `write`. The plain lock of the same name is the same as `write`.

    Where the space is fair, readers who come after a waiting writer wait behind it. Who holds `write` may hold `read`
    too; the other way round is refused, for two such holders would wait for each other.
    """

    __slots__ = ("read", "write")

    def __init__(self, read: Lock, write: Lock) -> None:
        self.read = read
        self.write = write


class MultiHeld:
    """Several locks, held at once."""

    def __init__(self, holds: tuple[Held, ...], stack: ExitStack) -> None:
        self.holds = holds
        self._stack = stack

    @property
    def tokens(self) -> dict[str, int]:
        """Each lock's fencing token, by name."""
        return {held.name: held.token for held in self.holds}

    @property
    def is_valid(self) -> bool:
        """Whether all are still held for certain."""
        return all(held.is_valid for held in self.holds)

    def check(self) -> None:
        """Raise LockLost unless all are still held for certain."""
        for held in self.holds:
            held.check()

    def fences(self) -> tuple[Fence, ...]:
        """What `db.run(..., fence=held)` has the shard check: all of them."""
        return tuple(fence for held in self.holds for fence in held.fences())

    def release(self) -> None:
        """Give all back. Raises LockLost if one was lost."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)


class MultiLock:
    """Several names, held together or not at all: taken in the order of their names, so that two can not wait for each other."""

    __slots__ = ("_keeper", "_locks")

    def __init__(self, keeper: Keeper, locks: list[Lock]) -> None:
        if not locks:
            raise ConfigurationError("a multi-lock needs the name of a lock")
        self._keeper = keeper
        self._locks = sorted({lock.name: lock for lock in locks}.values(), key=lambda lock: lock.name)

    def hold(self, timeout: float | None = None, *, on_lost: OnLost | None = None) -> MultiHeld:
        """Wait for all, at most `timeout` seconds together. Raises as Lock.hold does; then none is held."""
        deadline = None if timeout is None else self._keeper.clock() + timeout
        with ExitStack() as stack:
            holds = []
            for lock in self._locks:
                left = None if deadline is None else max(0.0, deadline - self._keeper.clock())
                holds.append(stack.enter_context(lock.hold(left, on_lost=on_lost)))
            return MultiHeld(tuple(holds), stack.pop_all())

    def try_hold(self, *, on_lost: OnLost | None = None) -> MultiHeld | None:
        """Hold all if all are free now, else None, and none is held."""
        with ExitStack() as stack:
            holds = []
            for lock in self._locks:
                held = lock.try_hold(on_lost=on_lost)
                if held is None:
                    return None
                holds.append(stack.enter_context(held))
            return MultiHeld(tuple(holds), stack.pop_all())
