"""The agent beside one member: the real decisions, each of its reads and writes a moment of its own.

`Guards` switch one safeguard off each, for controls, by deceiving the real code about what it sees or what it does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from early_expiry.decide import Case, Expire, ExpireLeader, HideMember, Step, TouchSync, decide_expiry
from early_expiry.records import OwnMember, SyncRecord
from early_expiry.watch import Look, Verdict, Watch, decide_verdict, forget_silence, watch

from .connection import Requests, Unanswered, Watching
from .store import Target, Write

if TYPE_CHECKING:
    from .world import World

RUNS_AS_STANDBY = {"state": "running", "role": "replica"}


@dataclass(frozen=True)
class Guards:
    touches_sync: bool = True
    must_have_seen_renewals: bool = True
    must_be_named: bool = True
    refuses_quorum: bool = True
    keeps_to_first_version: bool = True


ALL_GUARDS = Guards()


@dataclass
class SimulatedAgent:
    name: str
    guards: Guards
    known: Watch | None = None
    attempt: Iterator[str] | None = None

    def look(self, world: "World") -> None:
        """The leader's PostgreSQL never answers it: whether A is dead or slow, it looks the same from here."""
        if world.connections[self.name].requests != Requests.ANSWERED:
            self.known = forget_silence(self.known)
            return
        self.known = watch(self.known, Look(world.store.record, world.now, world.now, False, False))

    def act(self, world: "World") -> None:
        """The next moment of an attempt, or the first of a new one if one is due."""
        if self.attempt is None and self.is_due():
            self.attempt = self.end_lead(world)
        try:
            if self.attempt is not None and next(self.attempt, None) is None:
                self.attempt = None
        except Unanswered:
            self.attempt, self.known = None, forget_silence(self.known)

    def is_due(self) -> bool:
        if self.known is None:
            return False
        known = self.known if self.guards.must_have_seen_renewals else replace(self.known, is_renewal=True)
        return decide_verdict(known, self.name) == Verdict.EXPIRY_DUE

    def end_lead(self, world: "World") -> Iterator[str]:
        """Raises Unanswered."""
        assert self.known is not None
        known, record = self.known, world.store.record
        yield "record read"
        sync = self.see(world.store.sync, str(record.leader))
        yield "sync record read"
        decision = decide_expiry(Case(self.name, known, record, sync, self.observe_own(world)))
        if isinstance(decision, Expire):
            for step in decision.steps:
                if not self.apply(world, step):
                    return
                yield type(step).__name__

    def observe_own(self, world: "World") -> OwnMember:
        bears = world.memories[self.name].borne(world.now) is not None
        is_blind = world.connections[self.name].watching == Watching.BROKEN
        return OwnMember(
            is_postgres_up=not world.members[self.name].is_primary,
            status={**RUNS_AS_STANDBY, "failsafe_mode_is_active": bears},
            store_age_seconds=60 if is_blind else 1,
        )

    def see(self, sync: SyncRecord, leader: str) -> SyncRecord:
        if not self.guards.refuses_quorum:
            sync = replace(sync, quorum=0)
        if not self.guards.must_be_named:
            sync = replace(sync, leader=leader, standbys=sync.standbys | {self.name})
        return sync

    def apply(self, world: "World", step: Step) -> bool:
        """Raises Unanswered."""
        connection = world.connections[self.name]
        match step:
            case TouchSync(version):
                return not self.guards.touches_sync or connection.request(Write(Target.SYNC, version, {}))
            case HideMember():
                return True
            case ExpireLeader(version):
                kept = version if self.guards.keeps_to_first_version else world.store.record.version
                return connection.request(Write(Target.LEADER, kept, {"leader": None}))
