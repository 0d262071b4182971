"""Clients, a store and a resource under an adversary who owns every clock, every delay and every failover.

The decisions are the SDK's own (when a hold is believed, when it is renewed, what a token is); around them is as little
as it takes: a store that grants by its clock and may forget what it did last, and a resource that counts.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from caisson.locks.renewal import believed_until, decide_renewal
from caisson.locks.store import join_token

LEASE = 9.0
FOREVER = float("inf")
RATES = (0.95, 1.0, 1.05)
"""How fast a client's monotonic clock runs: no two machines agree."""


class Violation(AssertionError):
    """Something that must not happen did."""


class TwoBelieve(Violation):
    """Two clients are sure at the same moment that they hold the lock."""


class UpdateLost(Violation):
    """An acknowledged update is not in the resource."""


class TokenNotGreater(Violation):
    """A grant had a token that was not greater than that of a grant before it."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What the protocol rests on; a control turns one off."""

    leases_from_the_request: bool = True
    """The lease counts from before the request was sent, not from its answer."""
    raises_epoch: bool = True
    fences: bool = True


@dataclass(slots=True)
class Store:
    """One server. `clock` is its own; `held` is (owner, until) by it."""

    clock: float = 0.0
    epoch: int = 1
    counter: int = 0
    held: tuple[int, float] | None = None

    def acquire(self, owner: int) -> int | None:
        """A token, or None: somebody's lease is not over yet."""
        if self.held is not None and self.held[1] > self.clock:
            return None
        self.counter += 1
        self.held = (owner, self.clock + LEASE)
        return join_token(self.epoch, self.counter)

    def renew(self, owner: int) -> bool:
        is_held = self.held is not None and self.held[0] == owner and self.held[1] > self.clock
        if is_held:
            self.held = (owner, self.clock + LEASE)
        return is_held

    def release(self, owner: int) -> None:
        if self.held is not None and self.held[0] == owner:
            self.held = None


@dataclass(slots=True)
class Resource:
    """What the lock protects. `committed` counts acknowledged updates; it should be `value`."""

    value: int = 0
    committed: int = 0
    fence: int = 0

    def admits(self, token: int, guards: Guards) -> bool:
        if guards.fences and token < self.fence:
            return False
        self.fence = max(self.fence, token)
        return True


@dataclass(frozen=True, slots=True)
class Lease:
    """A hold as its client sees it."""

    owner: int
    token: int
    leased_at: float

    @property
    def believed_until(self) -> float:
        return believed_until(self.leased_at, LEASE, FOREVER)


@dataclass(slots=True)
class Client:
    """`asked` is the clock's reading when a request was sent that is not answered; `answer` is under way."""

    rate: float
    clock: float = 0.0
    lease: Lease | None = None
    seen: int | None = None
    asked: float | None = None
    owner: int = 0
    answer: Callable[[float], Lease | None] | None = None

    def believes(self) -> bool:
        return self.lease is not None and self.clock < self.lease.believed_until


@dataclass(slots=True)
class World:
    """All of it. `history` is what the store was after each of its steps: what a failover may go back to."""

    guards: Guards = field(default_factory=Guards)
    store: Store = field(default_factory=Store)
    resource: Resource = field(default_factory=Resource)
    clients: list[Client] = field(default_factory=lambda: [Client(rate) for rate in RATES])
    history: list[Store] = field(default_factory=lambda: [Store()])
    epoch: int = 1
    owners: int = 0
    last_token: int = 0
    is_calm: bool = True
    """Nothing has happened yet that leases do not claim to survive: no jump of the store's clock, no failover."""

    def pass_time(self, seconds: float) -> None:
        self.store.clock += seconds
        for client in self.clients:
            client.clock += seconds * client.rate
        self._check()

    def jump(self, seconds: float) -> None:
        """Somebody sets the store's clock."""
        self.is_calm = False
        self.store.clock += seconds

    def fail_over(self, forgotten: int) -> None:
        """Another server leads, which has not heard of the last steps. Its agent has raised the epoch before it serves."""
        self.is_calm = False
        known = self.history[max(0, len(self.history) - 1 - forgotten)]
        self.store = Store(self.store.clock, known.epoch, known.counter, known.held)
        if self.guards.raises_epoch:
            self.epoch += 1
            self.store.epoch = self.epoch
        self.history = [deepcopy(self.store)]

    def ask(self, number: int) -> None:
        """Ask for the lock, or to renew it if that is due; the store has not heard of it yet."""
        client = self.clients[number]
        if client.asked is not None:
            return
        if client.lease is None:
            self.owners += 1
            client.owner, client.asked = self.owners, client.clock
        elif decide_renewal([client.lease], client.clock, LEASE).due:
            client.asked = client.clock

    def serve(self, number: int) -> None:
        """The store hears of what a client asked."""
        client = self.clients[number]
        if client.asked is None or client.answer is not None:
            return
        client.answer = self._renew(client) if client.lease is not None else self._acquire(client)
        self.history.append(deepcopy(self.store))

    def hear(self, number: int) -> None:
        """The client hears the answer, however late."""
        client = self.clients[number]
        if client.answer is None or client.asked is None:
            return
        began = client.asked if self.guards.leases_from_the_request else client.clock
        client.lease = client.answer(began)
        client.answer = client.asked = None
        self._check()

    def hold(self, number: int) -> None:
        """Ask, serve and hear at once, so that there is something to fight about."""
        self.ask(number)
        self.serve(number)
        self.hear(number)

    def read(self, number: int) -> None:
        """Read behind the fence, if the lock is believed to be held: the last time that the client asks itself."""
        client = self.clients[number]
        if client.lease is not None and client.believes():
            client.seen = self.resource.value if self.resource.admits(client.lease.token, self.guards) else None

    def write(self, number: int) -> None:
        """Write what was read plus one, without looking at any clock; then release."""
        client = self.clients[number]
        if client.lease is None or client.seen is None:
            return
        if self.resource.admits(client.lease.token, self.guards):
            self.resource.value = client.seen + 1
            self.resource.committed += 1
        client.seen = None
        if client.asked is None:
            self.store.release(client.lease.owner)
            client.lease = None
        self._check()

    def give_up(self, number: int) -> None:
        """Notice that the hold is over, if it is."""
        client = self.clients[number]
        if client.lease is not None and client.asked is None and not client.believes() and client.seen is None:
            client.lease = None

    def _acquire(self, client: Client) -> Callable[[float], Lease | None]:
        owner, token = client.owner, self.store.acquire(client.owner)
        if token is None:
            return lambda began: None
        if token <= self.last_token:
            raise TokenNotGreater(f"{token} after {self.last_token}")
        self.last_token = token
        return lambda began: Lease(owner, token, began)

    def _renew(self, client: Client) -> Callable[[float], Lease | None]:
        lease = client.lease
        assert lease is not None
        if not self.store.renew(lease.owner):
            return lambda began: lease
        return lambda began: Lease(lease.owner, lease.token, began)

    def _check(self) -> None:
        if self.is_calm and sum(client.believes() for client in self.clients) > 1:
            raise TwoBelieve(f"at {self.store.clock:g}")
        if self.resource.value != self.resource.committed:
            raise UpdateLost(f"{self.resource.committed} acknowledged, {self.resource.value} there")
