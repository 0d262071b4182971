"""The lock store in a PostgreSQL database.

Everything that decides is in the functions of locks.sql, each in a transaction of its own, in which the claims of one name
take turns behind a row. Whoever releases a lock lets in whoever is next in the same transaction, and notifies it with
its token, so that a hand-over costs no question. A waiter says now and then that it lives; one that does not is
passed over when its time has run out.

Leases run on the server's clock: one that is set forward ends them early. Two may hold then, and for a moment after a
failover that has lost commits; a fence keeps the older one's writes out in either case.
"""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from caisson.errors import StoreUnavailable
from caisson.locks.policy import Policy, check_lease
from caisson.locks.store import Claim, Grant, Holder, LockState, Mode, SpaceState, request_seconds

from .server import Server
from .tables import Tables
from .wakeups import Bell, Wakeups

SHORTEST_LEASE_SECONDS = 0.5
SIGNS_A_LEASE = 3
"""How often in the time of a lease a waiter says that it lives."""
_STATE = """
SELECT name, owner, mode, token, greatest(0, extract(epoch FROM now - held_since))::float8,
    extract(epoch FROM expires_at - now)::float8
FROM caisson.lock_claim, caisson.lock_now() AS now
WHERE space = %s AND (token IS NULL OR expires_at > now) ORDER BY name, ticket
"""
_TOTALS = """
SELECT caisson.lock_epoch(%s), coalesce(sum(counter), 0)::bigint, coalesce(sum(waited), 0)::bigint
FROM caisson.lock_name WHERE space = %s
"""


class DatabaseStore:
    """Implements caisson.locks.store.LockStore. Connects when first used.

    `is_managed`: the operator makes the tables and opens the space; a server that lost them grants nothing before it has
    raised the epoch there. Otherwise this client does it, and a database that was restored from a dump is told by
    its cluster's identifier. Raises LeaseTooShort.
    """

    def __init__(self, server: Server, policy: Policy, *, is_managed: bool) -> None:
        reason = "a request has to fit into it several times"
        check_lease(policy.lease_seconds, SHORTEST_LEASE_SECONDS, "PostgreSQL", reason)
        self._server, self._policy = server, policy
        self._channel = f"caisson_lock_{uuid4().hex[:16]}"
        self._tables = Tables(server, policy.space, is_managed)
        self._wakeups = Wakeups(server.connect, self._channel, server.is_closed)

    @property
    def lease_seconds(self) -> float:
        return self._policy.lease_seconds

    @property
    def is_fair(self) -> bool:
        return self._policy.is_fair

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        asked_at = time.monotonic()
        ((token,),) = self._call(
            "SELECT caisson.lock_try(%s, %s, %s, %s, %s, %s, %s, %s)", *self._tell(claim, owner), self.is_fair
        )
        return _grant(claim, owner, token, asked_at)

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        grant = None
        try:
            with self._wakeups.bell(owner, self._request_seconds) as bell:
                grant = self._wait(claim, owner, bell, deadline)
        finally:
            if grant is None:
                self._leave_quietly(claim, owner)
        return grant

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        if not grants:
            return []
        names, owners = [grant.claim.name for grant in grants], [grant.owner for grant in grants]
        rows = self._call(
            "SELECT caisson.lock_renew(%s, %s::text[], %s::text[], %s)",
            self._policy.space,
            names,
            owners,
            self.lease_seconds,
        )
        held = {owner for (owner,) in rows}
        return [owner in held for owner in owners]

    def release(self, grant: Grant) -> bool:
        """Where the first answer was lost, and the second is that nothing was held, the first was yes or the lease is over."""
        deadline = self._deadline()
        query, parameters = (
            "SELECT caisson.lock_release(%s, %s, %s)",
            (self._policy.space, grant.claim.name, grant.owner),
        )
        ((was_held,),), is_repeated = self._server.call_again(query, parameters, deadline)
        return bool(was_held) or (is_repeated and time.monotonic() < grant.leased_at + self.lease_seconds)

    def leave(self, claim: Claim, owner: str) -> None:
        self._call("SELECT caisson.lock_release(%s, %s, %s)", self._policy.space, claim.name, owner)

    def read_state(self) -> SpaceState:
        space = self._policy.space
        ((epoch, granted, waited),) = self._call(_TOTALS, space, space)
        return SpaceState(epoch, granted, waited, _read_locks(self._call(_STATE, space)))

    def force_release(self, name: str) -> int:
        ((lost,),) = self._call("SELECT caisson.lock_force(%s, %s)", self._policy.space, name)
        return int(lost)

    def close(self) -> None:
        self._server.close()
        self._wakeups.ring_all()

    def _wait(self, claim: Claim, owner: str, bell: Bell, deadline: float) -> Grant | None:
        while True:
            asked_at = time.monotonic()
            ((token, left_seconds, newest),) = self._call(
                "SELECT * FROM caisson.lock_wait(%s, %s, %s, %s, %s, %s, %s)", *self._tell(claim, owner)
            )
            if token is not None:
                return _grant(claim, owner, token, asked_at)
            if time.monotonic() >= deadline:
                return None
            # Rounded up: who asks too early finds the lease not over yet, and asks again at once.
            sign = self.lease_seconds / SIGNS_A_LEASE
            patience = min(
                sign, deadline - time.monotonic(), (left_seconds if left_seconds is not None else sign) + 0.002
            )
            token = bell.wait(patience)
            # The claim's time, which is its lease now, was last begun by the question.
            is_fresh = time.monotonic() < asked_at + self.lease_seconds / 2
            if token is not None and token > newest and is_fresh:
                return _grant(claim, owner, token, asked_at)

    def _leave_quietly(self, claim: Claim, owner: str) -> None:
        """Where it does not get through, the claim's time runs out."""
        try:
            self.leave(claim, owner)
        except StoreUnavailable:
            return

    def _call(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        deadline = self._deadline()
        self._tables.must_be_there(deadline)
        return self._server.call(query, parameters, deadline)

    def _tell(self, claim: Claim, owner: str) -> tuple[Any, ...]:
        return (
            self._policy.space,
            claim.name,
            owner,
            claim.mode.value,
            claim.permits,
            self._channel,
            self.lease_seconds,
        )

    def _deadline(self) -> float:
        return time.monotonic() + self._request_seconds

    @property
    def _request_seconds(self) -> float:
        return request_seconds(self.lease_seconds)


def _grant(claim: Claim, owner: str, token: int | None, asked_at: float) -> Grant | None:
    return None if token is None else Grant(claim, owner, token, asked_at)


def _read_locks(rows: Sequence[tuple[Any, ...]]) -> tuple[LockState, ...]:
    holders: dict[str, list[Holder]] = {}
    waiting: dict[str, list[str]] = {}
    for name, owner, mode, token, held, left in rows:
        holders.setdefault(name, [])
        waiting.setdefault(name, [])
        if token is None:
            waiting[name].append(owner)
        else:
            holders[name].append(Holder(owner, Mode(mode), token, held, left))
    return tuple(LockState(name, tuple(holders[name]), tuple(waiting[name])) for name in holders)
