"""The client of a DistributedLock: a space of locks with one policy."""

from pathlib import Path
from types import TracebackType
from typing import Self

from caisson.errors import ConfigurationError
from caisson.locks.keeper import Keeper
from caisson.locks.lock import Lock, MultiLock, ReadWriteLock
from caisson.locks.names import check_name
from caisson.locks.opening import open_bound, open_url
from caisson.locks.policy import DEFAULT_LEASE_SECONDS, Policy
from caisson.locks.store import Claim, LockStore, Mode, SpaceState


class DistributedLock:
    """Locks that many processes share. Thread-safe; close it, or use it in a `with`. Open it after a fork, not before.

    A hold is a lease: it ends on the store if its process dies, and on this side before that if it can not be renewed.
    """

    def __init__(self, store: LockStore, policy: Policy) -> None:
        self._keeper = Keeper(store, policy)

    @classmethod
    def connect(
        cls,
        name: str | None = None,
        *,
        binding: str | Path | None = None,
        url: str | None = None,
        space: str = "default",
        lease: float = DEFAULT_LEASE_SECONDS,
        fair: bool = True,
        reentrant: bool = True,
        max_hold: float | None = None,
        managed: bool = True,
    ) -> Self:
        """Open a lock space by its binding's name, by a binding's directory, or by the url of a server.

        A binding says what else there is to know. With a `url` (redis:// or rediss://) the other arguments do: `space`
        begins all keys, `lease` and `max_hold` are seconds. `managed=False` says that no agent raises the server's epoch,
        so that this client has to (see caisson.locks.redis_store.RedisStore for what is lost by it).
        Connects when first used. Raises ConfigurationError, and LeaseTooShort among them.
        """
        if url is None:
            return cls(*open_bound(name, binding))
        if name is not None or binding is not None:
            raise ConfigurationError("say where the locks are: one of a binding's name, binding=path or url=...")
        policy = Policy(space, lease, fair, reentrant, max_hold)
        return cls(open_url(url, policy, is_managed=managed), policy)

    def lock(self, name: str) -> Lock:
        """The lock of that name. Raises BadName."""
        return Lock(self._keeper, Claim(check_name(name)))

    def read_write_lock(self, name: str) -> ReadWriteLock:
        """A lock that many hold for reading, or one for writing. Raises BadName."""
        return ReadWriteLock(Lock(self._keeper, Claim(check_name(name), Mode.SHARED)), self.lock(name))

    def semaphore(self, name: str, permits: int) -> Lock:
        """A lock that up to `permits` hold at a time; whoever uses it has to say the same number. Not reentrant.

        Its names are apart from those of locks. Raises BadName, ConfigurationError.
        """
        if permits < 1:
            raise ConfigurationError(f"a semaphore has at least one permit, not {permits}")
        return Lock(self._keeper, Claim(check_name(name), Mode.PERMIT, permits))

    def multi_lock(self, *names: str) -> MultiLock:
        """Several locks, held together or not at all. Raises BadName, ConfigurationError."""
        return MultiLock(self._keeper, [self.lock(name) for name in names])

    def read_state(self) -> SpaceState:
        """Who holds and who waits, in the whole space. Raises StoreUnavailable."""
        return self._keeper.store.read_state()

    def close(self) -> None:
        """Release what is held (its holders are told that it is lost) and close every connection."""
        self._keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
