"""What applications do to the fake: write through the SDK's rules, and keep a ledger of what was acknowledged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from caisson_operator.core.layout import Bucket, Leaf, TableGroup
from caisson_operator.sharded_database.observed import Attachment, Claim, LeafState

from .server import Server

ABSENT = LeafState()
Rows = dict[str, dict[str, int]]
Write = tuple[str, str, int | None]  # leaf, key, version; None deletes


@dataclass
class Ledger:
    """What the application was told. Commits that no standby has yet are on their server's list, not here."""

    rows: Rows = field(default_factory=dict)
    acknowledged: int = 0

    def fork(self) -> Self:
        return type(self)({leaf: dict(rows) for leaf, rows in self.rows.items()}, self.acknowledged)

    def acknowledge(self, write: Write) -> None:
        put(self.rows, write)
        self.acknowledged += 1

    def expected(self, leaf: str, waiting: list[Write]) -> dict[str, int]:
        """The rows of one leaf on its owner: what was acknowledged, then what its server has not acknowledged yet."""
        acknowledged = self.rows.get(leaf, {})
        later = [write for write in waiting if write[0] == leaf]
        if not later:
            return acknowledged
        rows: Rows = {leaf: dict(acknowledged)}
        for write in later:
            put(rows, write)
        return rows[leaf]


def put(rows: Rows, write: Write) -> None:
    leaf, key, version = write
    found = rows.setdefault(leaf, {})
    if version is None:
        found.pop(key, None)
    else:
        found[key] = version


@dataclass
class Client:
    """One process of an application with a map of its own, which may be stale."""

    servers: Mapping[str, Server]
    known: dict[Bucket, Claim] = field(default_factory=dict)

    def read_map(self) -> None:
        """Of the shards' claims about themselves the one with the highest epoch; an old entry stays while nobody claims."""
        for server in self.servers.values():
            if server.is_up:
                for bucket, claim in server.live.shard_map.items():
                    known = self.known.get(bucket, Claim("", 0))
                    if claim.owner == server.name and claim.epoch >= known.epoch:
                        self.known[bucket] = claim

    def write(self, group: TableGroup, bucket: Bucket, key: str, version: int | None, is_waiting: bool = False) -> bool:
        """One transaction at the believed owner: statements, check of the gate, COMMIT. False: moved, locked or away.

        `is_waiting` leaves the COMMIT waiting for its standby: not acknowledged, but there, and decoded to subscribers.
        """
        claim = self.known.get(bucket)
        server = self.servers.get(claim.owner) if claim else None
        if claim is None or server is None or not accepts(server, group.leaves(bucket.number), bucket, claim.epoch):
            self.read_map()
            return False
        for leaf in group.leaves(bucket.number)[:1]:
            if version is not None or key in server.live.rows.get(leaf.name, {}):
                server.live.put(leaf.name, key, version)
            server.waiting.append((leaf.name, key, version))
        server.commit_locally()
        if not is_waiting or server.standby is None:
            server.replicate()
        return True


def accepts(server: Server, leaves: Iterable[Leaf], bucket: Bucket, epoch: int) -> bool:
    """Would a transaction that believes in this epoch be committed here, on any of these leaves?"""
    if not server.is_up or server.live.gates.get(bucket) != epoch or server.locks(bucket):
        return False
    states = [server.live.leaves.get(leaf, ABSENT) for leaf in leaves]
    return any(state.attachment is Attachment.ATTACHED and not state.is_tombstoned for state in states)
