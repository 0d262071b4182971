"""All that can happen to a database under an expansion, one method each. The checker looks after every one of them."""

from dataclasses import dataclass, field

from caisson_operator.core.decisions import Decision, Settled, Wait
from caisson_operator.core.layout import shard_name
from fakes.clients import Client
from fakes.replication import apply_changes, confirm, copy_tables
from fakes.server import Server

from .leader import Leader, build_wanted
from .simulation import LIMIT, Simulation

LARGEST = 4


@dataclass
class World:
    """Wraps a simulation whose time passes only as it is told to. `sleeper` is an older leader that has not noticed."""

    sim: Simulation
    sleeper: Leader | None = None
    decision: Decision | None = None
    fresh: Client = field(init=False)

    def __post_init__(self) -> None:
        self.fresh = self.sim.client

    def server(self, shard: str) -> Server:
        """One that is there: the machine may name one that nobody has asked for yet."""
        return self.servers.get(shard, self.servers["s0"])

    @property
    def servers(self) -> dict[str, Server]:
        return self.sim.shards.servers

    def lead(self) -> None:
        """One transaction or look of the leader; its waits take their time, and nothing else moves."""
        self.decision = self.sim.leader.advance()
        if isinstance(self.decision, Wait):
            self._tick(self.decision.seconds)
        self.sim.checker.check()

    def lead_asleep(self) -> None:
        if self.sleeper and not self.sleeper.is_deposed:
            self.sleeper.advance()
            self.sim.checker.check()

    def change_leader(self, does_old_one_live: bool) -> None:
        old = self.sim.leader
        self.sleeper = old if does_old_one_live else None
        self.sim.leader = Leader(self.sim.shards, old.wanted, old.term + 1, old.decide_next)

    def write(self, bucket: int, key: int, is_stale: bool, is_waiting: bool, is_delete: bool) -> None:
        self.sim.beats += 1
        client = self.sim.stale if is_stale else self.fresh
        if not is_stale:
            client.read_map()
        chosen = self.sim.buckets[bucket % len(self.sim.buckets)]
        client.write(self.sim.group, chosen, f"k{key}", None if is_delete else self.sim.beats, is_waiting)
        self.sim.checker.check()

    def flow(self, kind: str, shard: str, count: int) -> None:
        """One thing of those that happen by themselves."""
        match kind:
            case "copy":
                for link in self.sim.shards.links:
                    copy_tables(self.servers, link)
            case "apply":
                for link in self.sim.shards.links:
                    if not self.sim.shards.cluster.is_stalled(link):
                        apply_changes(self.servers, link, count)
            case "confirm":
                if self.server(shard).is_up:
                    confirm(self.servers, self.server(shard))
            case "replicate":
                self.server(shard).replicate()
        self.sim.checker.check()

    def befall(self, kind: str, shard: str, number: int) -> None:
        """One trouble for one shard. Those that last end at the second time, and all of them in the calm."""
        server = self.server(shard)
        match kind:
            case "fail_over":
                if server.standby is not None:
                    server.fail_over()
            case "restart" | "promote":
                server.restart(is_promotion=kind == "promote")
            case "go_down":
                server.is_up = False
            case "lose_standby":
                server.lose_standby()
            case "read_long":
                server.has_long_reader ^= True
            case "prepare":
                server.prepared_transactions ^= 1
            case "drop_slots":
                server.slots.clear()
            case "stall":
                links = self.sim.shards.links
                self.sim.shards.cluster.stalled ^= set(links[number : number + 1])
            case "open":
                server.busy ^= {self.sim.buckets[number % len(self.sim.buckets)]}
        self.sim.checker.check()

    def return_standby(self, shard: str) -> None:
        self.server(shard).return_standby()

    def ask(self, shards: int, is_paused: bool) -> None:
        """A person edits the resource: `shards` only ever grows."""
        wanted = self.sim.leader.wanted
        count = max(shards, len(wanted.shards))
        self.sim.shards.add(shard_name(index) for index in range(count))
        self.sim.checker.listen()
        self.sim.leader.wanted = build_wanted(count, len(self.sim.buckets), is_paused)

    def _tick(self, seconds: float) -> None:
        """Idle transactions of leaders that died are ended by the server itself."""
        self.sim.shards.end_idle_fences()
        self.sim.shards.advance_clock(max(seconds, 0.01))

    def calm_down(self) -> None:
        """Every trouble ends; from here on the machine must come to its end by itself."""
        self.ask(0, is_paused=False)
        self.sim.shards.cluster.stalled.clear()
        for server in self.servers.values():
            server.busy, server.has_long_reader, server.prepared_transactions = set(), False, 0
            server.restart()
            if server.standby is None:
                server.return_standby()
        self.sim.checker.check()
        self.sim.run(3 * LIMIT)

    @property
    def is_settled(self) -> bool:
        return isinstance(self.decision, Settled)
