"""What must hold after every single thing that happens. Each finding is a class of its own."""

from collections import defaultdict
from dataclasses import dataclass, field

from caisson_operator.core.layout import Bucket, Leaf
from caisson_operator.sharded_database.observed import Attachment, LeafState
from fakes.clients import ABSENT, Ledger, accepts
from fakes.server import Server
from fakes.shards import Shards


class Violation(AssertionError):
    """Something that must never be the case."""


class TwoShardsAcceptWrites(Violation): ...


class StaleReadAccepted(Violation): ...


class EpochFell(Violation): ...


class AcknowledgedRowsLost(Violation): ...


class LeftBehind(Violation): ...


class NoWayForward(Violation): ...


@dataclass
class Checker:
    """Looks at every server as it stands. Remembers only which epochs each shard has ever claimed, and the highest."""

    shards: Shards
    ledger: Ledger
    _claimed: dict[Bucket, dict[str, frozenset[int]]] = field(default_factory=lambda: defaultdict(dict))
    _highest: dict[Bucket, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        buckets = [(group, bucket) for group in self.shards.groups.values() for bucket in group.all_buckets()]
        self._leaves = {bucket: group.leaves(bucket.number) for group, bucket in buckets}
        self.listen()

    def listen(self) -> None:
        """To every server, those too that were added later."""
        for server in self.shards.servers.values():
            server.on_acknowledged = self.ledger.acknowledge

    def fork(self) -> "Checker":
        """The same memory over a fork of the servers and the ledger."""
        claimed = defaultdict(dict, {bucket: dict(claims) for bucket, claims in self._claimed.items()})
        return Checker(self.shards.fork(), self.ledger.fork(), claimed, dict(self._highest))

    def check(self) -> None:
        for server in self.shards.servers.values():
            for bucket, claim in server.live.shard_map.items():
                epochs = self._claimed[bucket].get(server.name, frozenset())
                if claim.owner == server.name and claim.epoch not in epochs:
                    self._claimed[bucket][server.name] = epochs | {claim.epoch}
        for bucket, leaves in self._leaves.items():
            self._check_bucket(bucket, leaves)

    def check_end(self) -> None:
        """Completed: every bucket takes writes, and nothing that served the move is left."""
        self.check()
        for bucket in self._leaves:
            owners = [s.name for s in self._passing(bucket) if self._accepts(s, bucket)]
            if len(owners) != 1:
                raise NoWayForward(f"{bucket} is accepted by {owners}")
            for server in self.shards.servers.values():
                self._check_swept(server, bucket, owners[0])
        for server in self.shards.servers.values():
            live = server.live
            found = [*server.slots, *live.publications, *live.feeds, *live.sentinels, *server.fences]
            if found:
                raise LeftBehind(f"{server.name} still has {found}")

    def _check_bucket(self, bucket: Bucket, leaves: tuple[Leaf, ...]) -> None:
        passing = self._passing(bucket)
        writable = [server for server in passing if self._accepts(server, bucket)]
        if len(writable) > 1:
            raise TwoShardsAcceptWrites(f"{bucket}: {[s.name for s in writable]}")
        for server in writable:
            self._check_epoch(server, bucket)
            for leaf in leaves:
                self._check_rows(server, leaf)
        for server in passing:
            states = [server.live.leaves.get(leaf, ABSENT).attachment for leaf in leaves]
            if any(state is not Attachment.ATTACHED for state in states):
                raise StaleReadAccepted(f"{bucket} passes its check on {server.name} without its leaves")
            if any(other is not server for other in writable):
                raise StaleReadAccepted(f"{bucket} passes its check on {server.name}, and is written elsewhere")

    def _passing(self, bucket: Bucket) -> list[Server]:
        """Where the gate stands at an epoch that the shard has claimed, so that a strong read would pass its check."""
        servers = self.shards.servers
        claimed = self._claimed[bucket].items()
        return [servers[name] for name, epochs in claimed if servers[name].live.gates.get(bucket) in epochs]

    def _accepts(self, server: Server, bucket: Bucket) -> bool:
        return accepts(server, self._leaves[bucket], bucket, server.live.gates[bucket])

    def _check_epoch(self, server: Server, bucket: Bucket) -> None:
        epoch = server.live.gates[bucket]
        if epoch < self._highest.get(bucket, 0):
            raise EpochFell(f"{bucket} on {server.name}: {epoch} after {self._highest[bucket]}")
        self._highest[bucket] = epoch

    def _check_rows(self, server: Server, leaf: Leaf) -> None:
        name = leaf.name
        expected = self.ledger.expected(name, server.waiting)
        found = server.live.rows.get(name, {})
        if found != expected:
            raise AcknowledgedRowsLost(f"{name} on {server.name}: {found}, acknowledged {expected}")

    def _check_swept(self, server: Server, bucket: Bucket, owner: str) -> None:
        for leaf in self._leaves[bucket]:
            state = server.live.leaves.get(leaf, ABSENT)
            wanted = LeafState(Attachment.ATTACHED) if server.name == owner else ABSENT
            if state != wanted:
                raise LeftBehind(f"{leaf.name} on {server.name}: {state}")
