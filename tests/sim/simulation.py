"""One database under an expansion: shards, a leader, an application that writes all the while, and the checker after each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from caisson_operator.core.decisions import Decision, Settled, Wait
from caisson_operator.core.layout import Bucket, TableGroup, shard_name
from caisson_operator.sharded_database.decide import decide
from fakes.access import Guards
from fakes.clients import Client, Ledger
from fakes.replication import apply_changes, confirm
from fakes.shards import Shards

from .invariants import Checker, NoWayForward
from .leader import Decide, Leader, build_wanted

LIMIT = 300  # transactions and looks; an expansion of four groups takes about 200


@dataclass
class Simulation:
    checker: Checker
    client: Client
    leader: Leader
    beats: int = 0
    stale: Client = field(default_factory=lambda: Client({}))
    is_lagging: bool = False  # targets apply only what a fence or the passing of time makes them apply
    confirm_every: int = 1  # ticks between two reports of a target on what its disk has
    ticks: int = 0

    @classmethod
    def of(
        cls,
        begin: int,
        end: int,
        buckets: int = 4,
        decide_next: Decide = decide,
        guards: Guards | None = None,
        begins_with_rows: bool = True,
    ) -> Self:
        """A settled database of `begin` shards with a row in every bucket, just asked to grow to `end`."""
        wanted = build_wanted(end, buckets)
        shards = Shards([shard_name(i) for i in range(end)], wanted.groups, guards or Guards())
        made = cls(Checker(shards, Ledger()), Client(shards.servers), Leader(shards, build_wanted(begin, buckets)))
        made.run()
        made.client.read_map()
        for bucket in made.buckets if begins_with_rows else ():
            made.write(bucket, "first")
        made.stale = Client(shards.servers, dict(made.client.known))
        made.leader = Leader(shards, wanted, term=2, decide_next=decide_next)
        return made

    @property
    def shards(self) -> Shards:
        return self.checker.shards

    @property
    def group(self) -> TableGroup:
        return next(iter(self.shards.groups.values()))

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        return self.group.all_buckets()

    def fork(self, term: int) -> Self:
        """The leader dies here, and one of this term begins anew: only what the shards hold is carried over."""
        checker = self.checker.fork()
        clients = [Client(checker.shards.servers, dict(client.known)) for client in (self.client, self.stale)]
        leader = Leader(checker.shards, self.leader.wanted, term, self.leader.decide_next)
        return type(self)(checker, clients[0], leader, self.beats, clients[1], self.is_lagging, self.confirm_every)

    def write(self, bucket: Bucket, key: str, is_waiting: bool = False) -> None:
        self.beats += 1
        self.client.write(self.group, bucket, key, self.beats, is_waiting)

    def tick(self) -> Decision | None:
        """Some writes, one transaction or look of the leader, and time where the leader waits."""
        if self.client.known:
            self._write_somewhere()
            if not self.is_lagging:
                self._flow()
        decision = self.leader.advance()
        if isinstance(decision, Wait):
            self.shards.pass_time(max(decision.seconds, 0.01))
        self.checker.check()
        return decision

    def run(self, limit: int = LIMIT) -> int:
        """Until settled, with nothing left; returns after how many ticks. NoWayForward where there is no end."""
        for count in range(limit):
            decision = self.tick()
            if isinstance(decision, Settled):
                self.checker.check_end()
                return count
        raise NoWayForward(f"not settled after {limit}: {decision}")

    def _flow(self) -> None:
        """Targets apply at once, flush and confirm now and then; their standbys have only what somebody waited for."""
        for link in self.shards.links:
            apply_changes(self.shards.servers, link, 1000)
        self.ticks += 1
        for server in self.shards.servers.values():
            if server.live.feeds and self.ticks % self.confirm_every == 0:
                confirm(self.shards.servers, server)

    def _write_somewhere(self) -> None:
        """Round the buckets: new rows, and the same row again by a client whose map is old."""
        bucket = self.buckets[self.beats % len(self.buckets)]
        self.write(bucket, f"k{self.beats % 3}")
        self.stale.write(self.group, bucket, "hot", self.beats)


def each_moment(sim: Simulation) -> Iterator[Simulation]:
    """The database after each transaction until it is settled, as a leader finds it who comes after a crash."""
    while not isinstance(sim.tick(), Settled):
        yield sim.fork(sim.leader.term + 1)


def has_standbys(sim: Simulation) -> bool:
    return all(server.standby is not None for server in sim.shards.servers.values())


EVENTS: Mapping[str, Callable[[Simulation], None]] = {
    "nothing": lambda sim: None,
    "source fails over": lambda sim: sim.shards.servers["s0"].fail_over(),
    "target fails over": lambda sim: sim.shards.servers["s1"].fail_over(),
    "source restarts": lambda sim: sim.shards.servers["s0"].restart(),
    "target restarts": lambda sim: sim.shards.servers["s1"].restart(),
    "source is promoted anew": lambda sim: sim.shards.servers["s0"].restart(is_promotion=True),
    "target is promoted anew": lambda sim: sim.shards.servers["s1"].restart(is_promotion=True),
    "slot vanishes": lambda sim: sim.shards.servers["s0"].slots.clear(),
}
