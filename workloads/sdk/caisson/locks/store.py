"""What every backend of a lock space does: one protocol, and the values that cross it. Pure.

A store knows claims, queues, leases and tokens. It does not know threads that hold, renewal, reentrancy, names that
people may choose or how long a hold may last: those are the facade's (caisson.locks.distributed_lock).

    try_acquire   granted now, or not at all
    wait          joins the queue and returns when granted: woken by the store, not by looking again and again
    renew         the lease of everything held, from now on
    release       and the first of the queue that is alive is granted the lock, and woken
    leave         whatever became of a claim whose answer was lost: it neither waits nor holds afterwards

One store object is one client of one space: many threads call it at once. The space's policy (lease, fair or not) is
fixed when a store is made. `owner` names one acquisition, not a process: the facade makes a new one for each, and never
uses it again, so that a late answer to an old request can not be taken for a new one's.

Time. Leases run on the store's clock and are believed on ours: a grant is valid until `leased_at + lease_seconds` of
*this* process's time.monotonic(), where `leased_at` was read before the request that began the lease was sent. So a
store says "held" for a little longer than its client believes, never the other way round.

Errors: StoreUnavailable from every method when the store gave no answer until the deadline (for methods without a
deadline: within `request_seconds(lease_seconds)`, a bound that renewal relies on). What was asked may have been done
then; a caller that no longer wants a claim calls `leave`, and if that fails too the lease ends it. A store that can not
promise tokens that never go back raises EpochNotRaised (a StoreUnavailable) rather than grant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

COUNTER_BITS = 40
REQUEST_SECONDS = 5.0
REQUESTS_A_LEASE = 4


class Mode(Enum):
    """How a lock is held. Exclusive and shared holds of one name exclude each other; permits are a world of their own."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"
    PERMIT = "permit"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is wanted. `permits` is how many may hold a PERMIT of this name at a time; 1 with other modes."""

    name: str
    mode: Mode = Mode.EXCLUSIVE
    permits: int = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """A claim that was granted to `owner`.

    `token` is greater than that of every earlier grant of the same name in the space, whatever happened to the store:
    `(epoch << 40) | counter`. `leased_at` is a reading of time.monotonic() (seconds): the lease runs from there.
    `handle` is the store's own (a key, a node, a row); nobody else looks into it.
    """

    claim: Claim
    owner: str
    token: int
    leased_at: float
    handle: object = None


@dataclass(frozen=True, slots=True)
class Holder:
    """One who holds, as the store sees it at this moment; durations in seconds by the store's clock."""

    owner: str
    mode: Mode
    token: int
    held_seconds: float
    lease_left_seconds: float


@dataclass(frozen=True, slots=True)
class LockState:
    """One name that is held or waited for. `waiting` are the owners in the order of the queue, dead ones included
    until they are skipped."""

    name: str
    holders: tuple[Holder, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpaceState:
    """The whole space. `epoch` is the store's; the totals count grants since the space was made (or its store was wiped):
    all of them, and those that had to wait in the queue."""

    epoch: int
    granted_total: int
    waited_total: int
    locks: tuple[LockState, ...]


class LockStore(Protocol):
    """One client of one lock space. See the module for what holds for all methods."""

    @property
    def lease_seconds(self) -> float:
        """How long a grant lasts without renewal. The constructor refuses one that the store can not honour with
        LeaseTooShort, a ConfigurationError."""

    @property
    def is_fair(self) -> bool:
        """Whether claims are granted in the order in which they were made: then try_acquire overtakes no one who waits."""

    def try_acquire(self, claim: Claim, owner: str) -> Grant | None:
        """Grant the claim now, or None and no trace. One atomic step. Where nobody is in the way it is one round trip.

        A lease that has run out counts as not held. None where the space is fair and another waits in front (for a
        shared claim: another exclusive claim waits).
        """

    def wait(self, claim: Claim, owner: str, deadline: float) -> Grant | None:
        """Join the queue, block this thread until granted, or return None at `deadline` (time.monotonic(), seconds; may
        be infinite).

        When it returns None, or raises whatever it raises, the claim is in the queue no longer and holds nothing (if the
        store can not be reached to say so: after one lease). A waiter that dies, or is stopped, is passed over; all who
        died before they were granted cost the others one lease together, not one each.
        """

    def renew(self, grants: Sequence[Grant]) -> list[bool]:
        """Begin the lease of all grants anew: for each, whether it was still held by its owner. Each is atomic; all go in
        one message where the backend can. False is final: that owner never holds again. The caller reads its clock
        before the call."""

    def release(self, grant: Grant) -> bool:
        """End a grant and pass the lock on, in one atomic step and one round trip: whether it was still held.

        Repeating it is safe: the second says False and does nothing to whoever holds the lock by then.
        """

    def leave(self, claim: Claim, owner: str) -> None:
        """Make sure that `owner` neither waits nor holds: for claims whose answer was lost. Repeating it is safe."""

    def read_state(self) -> SpaceState:
        """Everything that is held or waited for, for people and metrics: not a snapshot of one moment."""

    def force_release(self, name: str) -> int:
        """Take the lock from all who hold this name, in any mode, and pass it on: how many lost it. They learn of it when
        they renew; their tokens are older than that of whoever comes next."""

    def close(self) -> None:
        """Close connections and end threads. Waits under way end with StoreUnavailable. Grants are not released."""


def request_seconds(lease_seconds: float) -> float:
    """How long a request without a deadline of its own may wait for the store, attempts and pauses together: so short
    that a renewal that failed can be tried again before the lease is over."""
    return min(REQUEST_SECONDS, lease_seconds / REQUESTS_A_LEASE)


def join_token(epoch: int, counter: int) -> int:
    """The fencing token of the `counter`-th grant in an epoch; it fits a signed 64-bit integer for epochs under 2**23.

    Raises OverflowError where the counter would spill into the epoch, which would let tokens go back later.
    """
    if not (0 <= counter < 1 << COUNTER_BITS and 0 <= epoch < 1 << 23):
        raise OverflowError(f"no token for epoch {epoch}, counter {counter}: raise the store's epoch")
    return epoch << COUNTER_BITS | counter


def split_token(token: int) -> tuple[int, int]:
    """The epoch and the counter of a token."""
    return token >> COUNTER_BITS, token & (1 << COUNTER_BITS) - 1
