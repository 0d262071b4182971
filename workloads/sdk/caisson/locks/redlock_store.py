"""The lock store on several independent Redis primaries (Redlock): who holds on a majority holds.

No node has to be asked for another's word, and any minority may fail. What it gives up: there is no queue, so it is not
fair; semaphores can not be had (a majority for each permit lets in more than there are); two may hold if clocks jump or
a node forgets. The tokens do not depend on any of that. Each acquisition finds the greatest token that a majority has
recorded, and records the next one on a majority; a node records only what is greater than all it has, so no two
acquisitions can have one token, and a later one always has a greater one. A node that lost its data is left out until
its epoch has been raised above all that were ever in use, and then leads the others to it.
"""

import random
import time
from collections.abc import Callable, Sequence
from statistics import median_low
from typing import Any, TypeVar

from caisson.errors import ConfigurationError, StoreUnavailable
from caisson.locks import redis_scripts as scripts
from caisson.locks.policy import Policy, check_lease
from caisson.locks.redis_keys import RedisKeys
from caisson.locks.redis_link import Ear, Passing
from caisson.locks.redis_state import read_state
from caisson.locks.redis_store import EPOCH_KEY, HEARTBEATS_A_LEASE
from caisson.locks.redlock_nodes import Ears, Nodes
from caisson.locks.redlock_state import merge_states
from caisson.locks.store import Claim, Grant, Mode, SpaceState, join_token, request_seconds

T = TypeVar("T")
SHORTEST_LEASE_SECONDS = 0.5
BELIEVED_SHARE = 0.5
"""An acquisition that took more than this share of the lease is given up: too little would be left."""
NUMBER_ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 0.1
RETRY_SECONDS = 0.01
TURN_SECONDS = 0.005
MOST_TURNS = 10
"""How long those who came later let each of those before them try first, and how many of them at most: the rest may be dead."""


class RedlockStore:
    """A LockStore (caisson.locks.store) on several independent primaries."""

    def __init__(
        self,
        nodes: Nodes,
        policy: Policy,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        check_lease(policy.lease_seconds, SHORTEST_LEASE_SECONDS, "Redlock", "all servers have to answer within it")
        self._nodes = nodes
        self._policy = policy
        self._keys = RedisKeys(EPOCH_KEY, policy.space)
        self._clock = clock
        self._jitter = jitter
        self._lease = round(policy.lease_seconds * 1000)
        self._is_closed = False

    @property
    def lease_seconds(self) -> float:
        return self._policy.lease_seconds

    @property
    def is_fair(self) -> bool:
        return False

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        taken = self._patiently(lambda: self._take(claim, owner))
        return taken if isinstance(taken, Grant) else None

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        try:
            with self._nodes.ears(self._channel(claim)) as ears:
                grant = self._wait(claim, owner, deadline, ears)
        except BaseException:
            self._end_quietly(claim, owner)
            raise
        if grant is None:
            self._end_quietly(claim, owner)
        return grant

    def _wait(self, claim: Claim, owner: str, deadline: float, ears: Ears) -> Grant | None:
        """Try again whenever an end was heard of, or a holder's lease must be over; all trouble before the deadline is
        waited out. One node is listened to, since an end is told on all."""
        while True:
            self._must_be_open()
            try:
                ear = ears.one()
                before = self._show(claim, owner)
                taken = self._take(claim, owner)
                if isinstance(taken, Grant):
                    return taken
                left = deadline - self._clock()
                if left <= 0:
                    return None
                self._hear_another(ear, owner, min(taken, self.lease_seconds / HEARTBEATS_A_LEASE, left))
                time.sleep((min(before, MOST_TURNS) + self._jitter()) * TURN_SECONDS)
            except (Passing, StoreUnavailable) as trouble:
                ears.drop()
                self._pause_after(trouble, deadline)

    def _hear_another(self, ear: Ear, owner: str, seconds: float) -> None:
        """Who hears itself give back what it had in vain would try again and again, as fast as the servers answer."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and ear.hear(left) == owner.encode():
            pass

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        if not grants:
            return []
        return self._patiently(lambda: self._renew(grants))

    def _renew(self, grants: Sequence[Grant]) -> list[bool]:
        keys = [EPOCH_KEY, *(self._keys.held(grant.claim) for grant in grants)]
        answers = self._nodes.ask(scripts.RENEW, keys, [self._lease, *(grant.owner for grant in grants)])
        found = self._nodes.need(answers)
        held = [sum(answer[place] for answer in found) for place in range(len(grants))]
        silent = len(self._nodes) - len(found)
        if any(count < self._nodes.majority <= count + silent for count in held):
            raise StoreUnavailable("servers that do not answer may be among those that hold a lock up")
        return [count >= self._nodes.majority for count in held]

    def release(self, grant: Grant) -> bool:
        ended = self._patiently(lambda: self._nodes.need(self._end(grant.claim, grant.owner)))
        silent = len(self._nodes) - len(ended)
        return bool(sum(ended) >= self._nodes.majority - silent)

    def leave(self, claim: Claim, owner: str) -> None:
        self._patiently(lambda: self._nodes.need(self._end(claim, owner)))

    def read_state(self) -> SpaceState:
        answers = self._nodes.call(lambda link: read_state(link, self._keys))
        return merge_states(self._nodes.need(answers), self._nodes.majority)

    def force_release(self, name: str) -> int:
        claim = Claim(name)
        found = self._nodes.need(self._nodes.ask(scripts.REDLOCK_CLEAR, self._keys.of(claim), [self._channel(claim)]))
        owners = [owner for answer in found for owner in answer]
        return sum(owners.count(owner) >= self._nodes.majority for owner in set(owners))

    def close(self) -> None:
        self._is_closed = True
        self._nodes.close()

    def _take(self, claim: Claim, owner: str) -> Grant | float:
        """A grant, or in how many seconds the lock may be free. Whatever was taken in vain is given back."""
        if claim.mode is Mode.PERMIT:
            raise ConfigurationError(
                "Redlock has no semaphores: a majority for each permit lets in more than there are"
            )
        leased_at = self._clock()
        answers = self._nodes.ask(scripts.REDLOCK_TAKE, self._keys.of(claim), [owner, claim.mode.value, self._lease])
        taken = [each for each in answers if not isinstance(each, Passing) and each[0] == 1]
        refused = [each for each in answers if not isinstance(each, Passing) and each[0] == 0]
        token = self._number(claim, owner, taken) if len(taken) >= self._nodes.majority else None
        if token is not None and self._clock() - leased_at < BELIEVED_SHARE * self.lease_seconds:
            return Grant(claim, owner, token, leased_at)
        if taken:
            self._end_quietly(claim, owner, waits=True)
        if len(refused) <= len(self._nodes) - self._nodes.majority:
            self._nodes.need(answers)
        return min((each[1] / 1000 for each in refused), default=RETRY_SECONDS)

    def _number(self, claim: Claim, owner: str, taken: Sequence[Any]) -> int | None:
        """Find the next token and record it on a majority; None where others were quicker all the time."""
        epoch, counter = max((each[2], each[3]) for each in taken)
        newest = max(each[1] for each in taken)
        for _ in range(NUMBER_ATTEMPTS):
            epoch, counter = (newest, 1) if newest > epoch else (epoch, counter + 1)
            answers = self._nodes.ask(scripts.REDLOCK_NUMBER, self._keys.of(claim), [owner, epoch, counter])
            found = [each for each in answers if not isinstance(each, Passing)]
            if sum(each[0] for each in found) >= self._nodes.majority:
                return join_token(epoch, counter)
            if len(found) < self._nodes.majority:
                return None
            epoch, counter = max((each[1], each[2]) for each in found)
        return None

    def _show(self, claim: Claim, owner: str) -> int:
        """How many came before, by the node in the middle: they do not all see the same order."""
        arguments = [owner, claim.mode.value, self._channel(claim), self._lease]
        answers = self._nodes.ask(scripts.REDLOCK_SHOW, self._keys.of(claim), arguments)
        return median_low([int(each) for each in answers if not isinstance(each, Passing)] or [0])

    def _end(self, claim: Claim, owner: str, *, waits: bool = False) -> list[Any]:
        arguments = [owner, self._channel(claim), "waits" if waits else ""]
        return self._nodes.tell(scripts.REDLOCK_END, self._keys.of(claim), arguments)

    def _end_quietly(self, claim: Claim, owner: str, *, waits: bool = False) -> None:
        try:
            self._end(claim, owner, waits=waits)
        except StoreUnavailable:
            return  # closed: the lease ends it

    def _channel(self, claim: Claim) -> str:
        return f"{self._keys.wake}{claim.name}"

    def _patiently(self, work: Callable[[], T]) -> T:
        """Try again while no majority answers, as long as a request may take."""
        deadline = self._clock() + request_seconds(self.lease_seconds) / 2
        while True:
            try:
                return work()
            except StoreUnavailable as trouble:
                self._pause_after(trouble, deadline)

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("this client of the locks was closed")

    def _pause_after(self, trouble: Exception, deadline: float) -> None:
        pause = min(request_seconds(self.lease_seconds) / 10, LONGEST_PAUSE_SECONDS)
        self._must_be_open()
        if self._clock() + pause >= deadline:
            if isinstance(trouble, StoreUnavailable):
                raise trouble
            raise StoreUnavailable(f"the stores of the locks gave no answer in time: {trouble}") from trouble
        time.sleep(pause * (0.5 + self._jitter()))
