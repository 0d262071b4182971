"""The lock store on ZooKeeper.

Uncontended, a lock costs one transaction to take (its node is made and the queue read in one message) and one to release.
A waiter watches those whose end can let it in and nobody else, and when the only one in front of it goes it knows
without asking that it holds.

The servers never let two nodes of one queue hold that exclude each other, and an owner believes in its node only as
long as its session is known to live (caisson.locks.zookeeper.session): the lock excludes without fencing too, unless a
process sleeps past its session and then acts without having looked.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from caisson.errors import StoreUnavailable
from caisson.locks.store import REQUEST_SECONDS, Claim, Grant, SpaceState, request_seconds

from .layout import Space, find_holders, find_place
from .observing import Observer
from .opening import Opening
from .orphans import Orphans
from .queues import Entry, Queues, Removed
from .requests import mark_grant
from .session import Interrupted, Session, Target

MOST_REMEMBERED = 10_000
T = TypeVar("T")


class ZooKeeperStore:
    """Implements caisson.locks.store.LockStore. `session_seconds` is the lease of the space's policy: how long the claims
    of a dead client stand, at most. Half of it is the lease that an owner believes in (`lease_seconds`).

    `makes_space`: make the space where there is none. Otherwise a space that is missing is an ensemble that has lost
    its data, and no lock is granted until the operator has opened the space anew with a higher epoch.
    Raises StoreUnavailable, ConfigurationError, LeaseTooShort.
    """

    is_fair = True

    def __init__(
        self,
        target: Target,
        space: str,
        session_seconds: float,
        *,
        makes_space: bool,
        start_seconds: float = REQUEST_SECONDS,
    ) -> None:
        paths = Space(space)
        self._paths, self._session = paths, Session(target, session_seconds, start_seconds)
        opening = Opening(self._session, paths, makes_space)
        self._queues = Queues(self._session, paths, opening)
        self._observer = Observer(self._session, paths, opening)
        self._orphans = Orphans(self._session, self._queues.remove_owner)
        self._standing: set[str] = set()
        self._busy: set[str] = set()

    @property
    def lease_seconds(self) -> float:
        return self._queues.lease_seconds

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        deadline, grant = self._request_deadline(), None
        try:
            grant = self._until_answered(lambda again: self._try(claim, owner, deadline, again), deadline)
        except BaseException:
            self._orphans.add(claim.name, owner)
            raise
        return self._note(grant)

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        grant = None
        try:
            grant = self._until_answered(lambda again: self._queue(claim, owner, deadline, again), deadline)
        except Removed as error:
            raise StoreUnavailable(f"the claim to {claim.name!r} was taken away while it waited") from error
        finally:
            if grant is None:
                self._give_up(claim, owner)
        return self._note(grant)

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        entries, deadline = [_entry_of(grant) for grant in grants], self._request_deadline()
        return self._until_answered(lambda _: self._queues.check_all(entries, deadline), deadline)

    def release(self, grant: Grant) -> bool:
        deadline = self._request_deadline()
        try:
            return self._until_answered(lambda again: self._release(_entry_of(grant), deadline, again), deadline)
        except BaseException:
            self._orphans.add(grant.claim.name, grant.owner)
            raise
        finally:
            self._standing.discard(grant.owner)

    def leave(self, claim: Claim, owner: str) -> None:
        deadline = self._request_deadline()
        self._until_answered(lambda _: self._queues.remove_owner(claim.name, owner, deadline), deadline)
        self._standing.discard(owner)

    def read_state(self) -> SpaceState:
        deadline = self._request_deadline()
        return self._until_answered(lambda _: self._observer.read(self.lease_seconds, deadline), deadline)

    def force_release(self, name: str) -> int:
        deadline = self._request_deadline()
        return self._until_answered(lambda _: self._force(name, deadline), deadline)

    def close(self) -> None:
        """Held locks stand until the servers let the session expire; where there are none, it ends at once."""
        self._session.close(ends_session=not self._standing)

    # One attempt each. Interrupted begins the next one, with `again` true.

    def _try(self, claim: Claim, owner: str, deadline: float, again: bool) -> Grant | None:
        """Of a lock that was taken when it was tried last, the queue is looked at before it is joined."""
        if not again and claim.name in self._busy and self._queues.is_taken(claim, owner, deadline):
            return None
        entry = self._queues.enter(claim, owner, deadline, again)
        if find_place(entry.queue, entry.node).is_granted:
            self._busy.discard(claim.name)
            return self._queues.grant(claim, entry, deadline)
        if len(self._busy) < MOST_REMEMBERED:
            self._busy.add(claim.name)
        self._queues.remove(entry.path, deadline)
        return None

    def _queue(self, claim: Claim, owner: str, deadline: float, again: bool) -> Grant | None:
        """None at the deadline."""
        entry = self._queues.enter(claim, owner, deadline, again)
        place = find_place(entry.queue, entry.node)
        if place.is_granted:
            return self._queues.grant(claim, entry, deadline)
        while not place.is_granted:
            if time.monotonic() >= deadline:
                return None
            place = self._queues.stand(entry, place, deadline)
        grant = self._queues.grant(claim, entry, deadline)
        self._session.ask_later(mark_grant(self._paths.waited, entry.path))
        return grant

    def _release(self, entry: Entry, deadline: float, again: bool) -> bool:
        """After an interruption the node may be gone by our own first request."""
        is_removed = self._queues.remove(entry.path, deadline)
        return is_removed or (again and entry.session_id == self._session.id)

    def _force(self, name: str, deadline: float) -> int:
        return self._queues.remove_nodes(name, find_holders(self._queues.read(name, deadline)), deadline)

    def _give_up(self, claim: Claim, owner: str) -> None:
        """Leave the queue within a moment, or as soon as a server answers."""
        try:
            self._queues.remove_owner(claim.name, owner, time.monotonic() + self._session.silence_seconds)
        except (Interrupted, StoreUnavailable):
            self._orphans.add(claim.name, owner)

    def _note(self, grant: Grant | None) -> Grant | None:
        if grant is not None:
            self._standing.add(grant.owner)
        return grant

    def _request_deadline(self) -> float:
        return time.monotonic() + request_seconds(self.lease_seconds)

    def _until_answered(self, attempt: Callable[[bool], T], deadline: float) -> T:
        again = False
        while True:
            try:
                return attempt(again)
            except Interrupted as error:
                again = True
                if time.monotonic() >= deadline:
                    raise StoreUnavailable(f"the ZooKeeper ensemble gave no answer in time: {error}") from error
            self._session.await_connection(deadline)


def _entry_of(grant: Grant) -> Entry:
    return cast(Entry, grant.handle)
