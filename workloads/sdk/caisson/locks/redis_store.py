"""The lock store on one Redis: a primary under Sentinel's care, or a plain server.

Everything that decides is in the scripts (folder `lua`), which run one after the other on the primary. A waiter joins a
queue and listens to a channel; who releases the lock grants it to the first of the queue in the same step and calls it
by its channel. Redis counts who hears: one whose process or machine is gone is passed over at once, and one that hears
but sleeps after the lease that it had when it last said that it lives.

Redis replicates after it has answered, so a failover can forget a grant, and two may hold for a while. What stays true
is the order of the tokens: the scripts refuse until the epoch has been raised for the server that is primary now.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from caisson.errors import StoreUnavailable
from caisson.locks import redis_scripts as scripts
from caisson.locks.policy import Policy, check_lease
from caisson.locks.redis_keys import RedisKeys
from caisson.locks.redis_link import Ear, Link, Passing
from caisson.locks.redis_state import read_state
from caisson.locks.store import Claim, Grant, Mode, SpaceState, join_token, request_seconds

EPOCH_KEY = "caisson:epoch"
SHORTEST_LEASE_SECONDS = 0.1
ALIVE_SHARE = 0.6
"""Of a lease: how long a waiter counts as alive after it has said so. Those who sleep cost the others so much together."""
HEARTBEATS_A_LEASE = 5
PATIENCE_SHARE = 1 / 2
LAST_ATTEMPT_SHARE = 1 / 4
"""Of what a request may take: how long one answer is waited for, and until when another attempt may begin."""
RETRY_SECONDS = 0.05


def patience_seconds(lease_seconds: float) -> float:
    """How long one connection or one answer is waited for, so that both fit into a request."""
    return request_seconds(lease_seconds) * PATIENCE_SHARE


class RedisStore:
    """A LockStore (caisson.locks.store) on one Redis.

    `is_managed` says that an agent beside the server raises its epoch, as in a BackingCluster. Without one this client
    does it itself, from what the server knows: if the server loses its data, and its clock was set back or less than
    a minute has passed, tokens may go back.
    """

    def __init__(
        self, link: Link, policy: Policy, *, is_managed: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        check_lease(policy.lease_seconds, SHORTEST_LEASE_SECONDS, "Redis", "a request has to fit into it several times")
        self._link = link
        self._policy = policy
        self._keys = RedisKeys(EPOCH_KEY, policy.space)
        self._is_managed = is_managed
        self._clock = clock
        self._lease = round(policy.lease_seconds * 1000)
        self._alive = round(ALIVE_SHARE * self._lease)
        self._fair = int(policy.is_fair)
        self._ears: deque[Ear] = deque()

    @property
    def lease_seconds(self) -> float:
        return self._policy.lease_seconds

    @property
    def is_fair(self) -> bool:
        return self._policy.is_fair

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        arguments = [owner, claim.mode.value, claim.permits, self._lease, self._fair]
        keys = self._keys.of(claim)
        leased_at = self._clock()
        try:
            answer = self._link.run(scripts.TRY_ACQUIRE, keys, arguments)
        except Passing as trouble:
            leased_at, answer = self._again(trouble, scripts.TRY_ACQUIRE, keys, arguments)
        return None if answer is None else _grant(claim, owner, answer, leased_at)

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        try:
            grant = self._wait(claim, owner, deadline)
        except BaseException:
            self._leave_if_possible(claim, owner)
            raise
        if grant is None:
            self._leave_if_possible(claim, owner)
        return grant

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        if not grants:
            return []
        keys = [EPOCH_KEY, *(self._keys.held(grant.claim) for grant in grants)]
        answers = self._ask(scripts.RENEW, keys, [self._lease, *(grant.owner for grant in grants)])
        return [answer == 1 for answer in answers]

    def release(self, grant: Grant) -> bool:
        return bool(self._ask(scripts.RELEASE, self._keys.of(grant.claim), [grant.owner, self._fair]) == 1)

    def leave(self, claim: Claim, owner: str) -> None:
        self._ask(scripts.LEAVE, self._keys.of(claim), [owner, self._fair])

    def read_state(self) -> SpaceState:
        return self._link.patiently(lambda: read_state(self._link, self._keys), self._request_deadline())

    def force_release(self, name: str) -> int:
        both = (Claim(name), Claim(name, Mode.PERMIT))
        return sum(self._ask(scripts.FORCE_RELEASE, self._keys.of(claim), [self._fair]) for claim in both)

    def close(self) -> None:
        self._link.close()
        while self._ears:
            self._link.forget(self._ears.pop())

    def _wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        """Join, and again whenever something was heard, or a holder's lease must be over, or it is time to say that
        this waiter lives. All trouble before the deadline is waited out."""
        ear: Ear | None = None
        while True:
            self._link.must_be_open()
            try:
                ear = ear or self._take_ear()
                leased_at = self._clock()
                answer = self._join(claim, owner, ear.channel)
                if isinstance(answer, list):
                    self._ears.append(ear)
                    return _grant(claim, owner, answer, leased_at)
                now = self._clock()
                if now >= deadline:
                    self._ears.append(ear)
                    return None
                ear.hear(min(answer / 1000, self.lease_seconds / HEARTBEATS_A_LEASE, deadline - now))
            except Passing as trouble:
                if not trouble.is_epoch and ear is not None:
                    self._link.forget(ear)
                    ear = None
                self._link.pause_after(trouble, RETRY_SECONDS, deadline)

    def _join(self, claim: Claim, owner: str, channel: str) -> Any:
        arguments = [owner, claim.mode.value, claim.permits, self._lease, self._fair, channel, self._alive]
        return self._run(scripts.JOIN, self._keys.of(claim), arguments)

    def _take_ear(self) -> Ear:
        try:
            return self._ears.pop()
        except IndexError:
            return self._link.listen(f"{self._keys.wake}{uuid4().hex}")

    def _leave_if_possible(self, claim: Claim, owner: str) -> None:
        try:
            self.leave(claim, owner)
        except StoreUnavailable:
            return  # the lease ends it

    def _ask(self, script: scripts.Script, keys: list[str], arguments: list[Any]) -> Any:
        try:
            return self._link.run(script, keys, arguments)
        except Passing as trouble:
            return self._again(trouble, script, keys, arguments)[1]

    def _again(
        self, trouble: Passing, script: scripts.Script, keys: list[str], arguments: list[Any]
    ) -> tuple[float, Any]:
        """The further attempts at a request, and when the one that was answered began."""

        def attempt() -> tuple[float, Any]:
            return self._clock(), self._run(script, keys, arguments)

        deadline = self._request_deadline()
        if not trouble.is_epoch or self._is_managed:
            self._link.pause_after(trouble, 0.0, deadline)
        return self._link.patiently(attempt, deadline)

    def _run(self, script: scripts.Script, keys: list[str], arguments: list[Any]) -> Any:
        try:
            return self._link.run(script, keys, arguments)
        except Passing as trouble:
            if not trouble.is_epoch or self._is_managed:
                raise
        self._link.run(scripts.RAISE_EPOCH, [EPOCH_KEY], [])
        return self._link.run(script, keys, arguments)

    def _request_deadline(self) -> float:
        return time.monotonic() + LAST_ATTEMPT_SHARE * request_seconds(self.lease_seconds)


def _grant(claim: Claim, owner: str, answer: list[Any], leased_at: float) -> Grant:
    return Grant(claim, owner, join_token(int(answer[0]), answer[1]), leased_at)
