"""When holds are renewed and when they are given up, on this process's monotonic clock. Pure.

A hold is believed for nine tenths of its lease. The rest is what the holder has for stopping, and what the clocks of two
machines may differ in running. Renewal begins after a third; each attempt takes at most a quarter (the store's promise,
caisson.locks.store.request_seconds), and none is begun that could outlast the belief in any hold: whoever holds is told
in time, and not by a thread that waits for an answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from caisson.locks.store import request_seconds

BELIEVED_SHARE = 0.9
RENEW_AFTER_SHARE = 1 / 3
RENEW_ALONG_SHARE = 1 / 6
"""What is older than this is renewed along with what has to be: one message for all."""
LOOK_AGAIN_SHARE = 1 / 6


class Leased(Protocol):
    """A hold, as far as its lease goes: times in seconds of time.monotonic()."""

    @property
    def leased_at(self) -> float: ...
    @property
    def believed_until(self) -> float: ...


L = TypeVar("L", bound=Leased)


@dataclass(frozen=True, slots=True)
class RenewalPlan(Generic[L]):
    """`over`: not held any more. `due`: to be renewed now, in one request. If nothing is, look again after `seconds`."""

    over: tuple[L, ...]
    due: tuple[L, ...]
    seconds: float


def believed_until(leased_at: float, lease_seconds: float, ends_at: float) -> float:
    """Until when a holder may act on its hold; `ends_at` is when its longest allowed hold is over."""
    return min(leased_at + BELIEVED_SHARE * lease_seconds, ends_at)


def decide_renewal(holds: Iterable[L], now: float, lease_seconds: float) -> RenewalPlan[L]:
    """What to do at `now` with all holds of a client."""
    held = tuple(holds)
    over = tuple(each for each in held if each.believed_until <= now)
    alive = tuple(each for each in held if each.believed_until > now)
    if not alive:
        return RenewalPlan(over, (), LOOK_AGAIN_SHARE * lease_seconds)
    first_end = min(each.believed_until for each in alive)
    is_due = any(now - each.leased_at >= RENEW_AFTER_SHARE * lease_seconds for each in alive)
    if is_due and now + request_seconds(lease_seconds) <= first_end:
        along = RENEW_ALONG_SHARE * lease_seconds
        return RenewalPlan(over, tuple(each for each in alive if now - each.leased_at >= along), 0.0)
    return RenewalPlan(over, (), min(first_end - now, LOOK_AGAIN_SHARE * lease_seconds))
