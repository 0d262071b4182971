"""Ids that must not be guessed: a counter in Redis that goes on by a random step for each id.

Why no id comes twice: an id is `(epoch << 40) | counter`, and each epoch has a counter of its own, which one server moves by INCRBY.
Redis forgets: what was not replicated is gone after a failover, what was not synced after a crash, and the counter would go back.
But each start and each promotion gives a server another replication id, and the script refuses until the epoch has been raised for
that one (caisson.locks.redis_scripts). The number is raised by compare-and-set outside of Redis by the agent in the server's pod, so no
epoch is ever served by two servers: a primary that was cut off goes on in the old epoch, its successor begins a new one.
On a server without that agent the client raises the epoch itself, to at least the minutes since 2026: enough for a single server that
crashes or is wiped, not for failovers within the same minute.

An answer that is lost leaves a gap, which nobody can tell from a step.
"""

import secrets
import time
from collections.abc import Callable
from importlib import resources
from itertools import accumulate

from caisson.errors import ConfigurationError, IdsExhausted, NoIds, StoreUnavailable
from caisson.locks.redis_link import Link, Passing
from caisson.locks.redis_scripts import RAISE_EPOCH, Script
from caisson.locks.redis_store import EPOCH_KEY
from caisson.locks.store import COUNTER_BITS, join_token

_DRAW = """
local epoch = raised_epoch()
if not epoch then
  return not_raised()
end
return {tonumber(epoch), redis.call('INCRBY', KEYS[2] .. ':' .. epoch, ARGV[1])}
"""
_EPOCH = resources.files("caisson.locks").joinpath("lua/epoch.lua").read_text()
DRAW = Script(f"#!lua\n{_EPOCH}\n{_DRAW}".encode())


class RedisIds:
    """Thread-safe. `most_step` is the largest step: who knows an id guesses the next with a chance of one in so many."""

    def __init__(
        self,
        link: Link,
        space: str,
        most_step: int,
        timeout: float,
        *,
        is_managed: bool,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._link = link
        self._keys = [EPOCH_KEY, f"{space}:ids"]
        self._most_step = most_step
        self._timeout = timeout
        self._is_managed = is_managed
        self._draw = draw
        self._is_forked = False
        self.allocated = 0
        self.rollbacks = 0
        self.worker_ids: tuple[int, int] | None = None

    def next(self) -> int:
        """The next id, in one round trip. Raises NoIds (IdsExhausted) at the deadline."""
        return self.take(1)[0]

    def take(self, count: int) -> list[int]:
        """So many ids, ascending, in one round trip. Raises as `next` does."""
        if self._is_forked:
            raise ConfigurationError(
                "this allocator was opened before a fork and is the parent's: connect anew in the child"
            )
        if not count:
            return []
        steps = [1 + self._draw(self._most_step) for _ in range(count)]
        epoch, top = self._add(sum(steps))
        if top >= 1 << COUNTER_BITS:
            raise IdsExhausted(
                f"the counter of epoch {epoch} is used up: take a smaller step, and raise the store's epoch"
            )
        self.allocated += count
        first = top - sum(steps)
        return [join_token(epoch, first + sum_) for sum_ in accumulate(steps)]

    def abandon(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._is_forked = True

    def close(self) -> None:
        if not self._is_forked:
            self._link.close()

    def _add(self, total: int) -> tuple[int, int]:
        deadline = time.monotonic() + self._timeout
        try:
            epoch, top = self._link.patiently(lambda: self._try_add(total), deadline)
        except StoreUnavailable as error:
            raise NoIds(f"Redis gives no ids: {error}") from error
        return int(epoch), int(top)

    def _try_add(self, total: int) -> list[int]:
        try:
            answer: list[int] = self._link.run(DRAW, self._keys, [total])
        except Passing as trouble:
            if self._is_managed or not trouble.is_epoch:
                raise
            self._link.run(RAISE_EPOCH, [EPOCH_KEY], [])
            answer = self._link.run(DRAW, self._keys, [total])
        return answer
