"""Whom an effect may talk to, and as whom: the fake of effects/postgres/sessions.py, and of the seams of its drills."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.layout import SwitchGroup
from caisson_operator.sharded_database.member_credentials import NOTHING_HELD, MemberRoles

from .replication import apply_changes
from .server import Deposed, EngineError, Server, Unreachable


@dataclass(frozen=True, slots=True)
class Guards:
    """Controls switch one off, and the checker must find what it lets through."""

    has_tombstone: bool = True
    has_durable_target: bool = True
    has_timeline_check: bool = True
    has_term: bool = True
    has_gates: bool = True  # raised with the fence
    has_claim_first: bool = True  # committed before the target's gates are raised
    has_rising_epochs: bool = True


@dataclass(slots=True)
class Cluster:
    """Every server of one database, and what the outside does to them."""

    servers: dict[str, Server]
    now: datetime
    guards: Guards = field(default_factory=Guards)
    stalled: set[str] = field(default_factory=set)  # links whose apply worker hangs

    def is_stalled(self, link: str) -> bool:
        return link in self.stalled


@dataclass(frozen=True, slots=True)
class Access:
    """One leader's way to the servers, and what it has read in the Secret of credentials."""

    cluster: Cluster
    term: int
    find_member_roles: Callable[[str], MemberRoles] = NOTHING_HELD.find_roles

    def on(self, shard: str) -> Server:
        """Enter the term: an older leader is refused, and its open fences are ended."""
        server = self.cluster.servers[shard]
        if not server.is_up:
            raise Unreachable(shard)
        if server.live.version and self.cluster.guards.has_term:
            self._enter(server)
        return server

    def source(self, group: SwitchGroup) -> Server:
        return self.on(group.source)

    def target(self, group: SwitchGroup) -> Server:
        return self.on(group.target)

    def pass_through(self, group: SwitchGroup, beat: int) -> None:
        """All that the source committed before this beat is on the target, or HeldUp."""
        while not self.cluster.is_stalled(group.link) and apply_changes(self.cluster.servers, group.link, 1000):
            pass
        if last_beat(self.target(group), group) < beat:
            raise HeldUp("ApplyTooSlow", f"{group.target} did not apply a change of {group.source}", 0.5)

    def _enter(self, server: Server) -> None:
        if server.live.term > self.term:
            raise Deposed(f"{server.name} has seen term {server.live.term}, this is {self.term}")
        if server.live.term < self.term:
            server.live.term = self.term
            server.commit()
        for fence in [f for f in server.fences if f.term < self.term]:
            server.end_fence(fence)


def last_beat(server: Server, group: SwitchGroup) -> int:
    if group.sentinel not in server.live.sentinels:
        raise EngineError(f"42P01: {group.sentinel} does not exist on {server.name}")
    return server.live.rows.get(group.sentinel, {}).get("beat", 0)


def send_beat(source: Server, group: SwitchGroup) -> int:
    """A sentinel row, committed without waiting for the standby."""
    beat = last_beat(source, group) + 1
    source.live.put(group.sentinel, "beat", beat)
    source.commit_locally()
    return beat
