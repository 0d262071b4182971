"""Three members, the store, the agents, and time, which the checker follows from moment to moment."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from early_expiry.records import SyncRecord

from .agent import ALL_GUARDS, Guards, SimulatedAgent
from .checker import Checker, NobodyLeads
from .connection import Connection, Requests, Watching
from .member import Member
from .memory import TTL_SECONDS, Memory
from .patroni import Cycle, cycle
from .replication import Mode
from .rules import REAL, Rules
from .store import Store

NAMES = "ABC"


@dataclass
class World:
    guards: Guards = ALL_GUARDS
    mode: Mode = Mode.ON
    store: Store = field(default_factory=Store)
    rules: Rules = REAL
    checker: Checker = field(default_factory=Checker)
    # Who receives nothing at the moment, however it tries, and whose REST API does not answer the others.
    cut_off: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=lambda: {"A"})
    now: float = 0.0
    commits: int = 0
    newest_timeline: int = 1

    def __post_init__(self) -> None:
        prompt = self.rules.sync_writes_are_prompt
        self.members = {name: Member(name, follows=None if name == "A" else "A") for name in NAMES}
        self.agents = {name: SimulatedAgent(name, self.guards) for name in NAMES}
        self.connections = {name: Connection(self.store, prompt) for name in NAMES}
        self.memories = {name: Memory() for name in NAMES}
        self.cycles: dict[str, Cycle] = {}
        self.begun_at: dict[str, float] = {}
        first = self.members["A"]
        first.is_primary = first.calls_itself_primary = self.memories["A"].told_primary = True
        if self.mode != Mode.ASYNCHRONOUS:
            first.set_sync_names(self.store.sync.standbys)

    @property
    def acknowledged(self) -> set[int]:
        return self.checker.acknowledged

    # What happens.

    def write(self, name: str) -> None:
        if self.members[name].is_primary:
            self.commits += 1
            self.members[name].log.append(self.commits)
            self.checker.note_origin(self.commits, self.members[name], self.newest_timeline)
        self.check()

    def stream(self, name: str) -> None:
        me = self.members[name]
        upstream = self.members.get(me.follows or "")
        if upstream and upstream.is_primary and not me.is_primary and name not in self.cut_off:
            me.receive_from(upstream)
        self.check()

    def step(self, name: str, times: int = 1) -> str | None:
        """Patroni of this member goes on to the next place where others may come between; None: a cycle is over."""
        reached = None
        for _ in range(times):
            if name not in self.cycles:
                self.cycles[name], self.begun_at[name] = cycle(self, self.members[name]), self.now
            reached = next(self.cycles[name], None)
            if reached is None:
                del self.cycles[name]
            self.check()
        return reached

    def step_until(self, name: str, place: str) -> None:
        for _ in range(20):
            if self.step(name) == place:
                return
        raise AssertionError(f"{name} never came to {place!r}")

    def finish_cycle(self, name: str) -> None:
        while self.step(name) is not None:
            pass

    def look(self, name: str, seconds: float = 0.5) -> None:
        self.pass_time(seconds)
        self.agents[name].look(self)

    def act(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            self.agents[name].act(self)
            self.check()

    def notice_silence(self, name: str) -> None:
        for _ in range(8):
            self.look(name)

    def notice_silence_together(self) -> None:
        for _ in range(7):
            self.pass_time(0.5)
            for agent in self.agents.values():
                agent.look(self)

    def arrive(self) -> None:
        self.store.arrive()
        self.check()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.rules.cycles_are_short:
            for name in [name for name in self.cycles if self.now - self.begun_at[name] >= TTL_SECONDS]:
                self.finish_cycle(name)

    def let_ttl_pass(self) -> None:
        """Nobody looks, and whatever nobody sees renewed has run out."""
        self.pass_time(TTL_SECONDS + 1)

    def trouble(self, names: Iterable[str], watching: Watching, requests: Requests) -> None:
        if self.rules.watches_are_current and watching == Watching.DEAF:
            watching = Watching.BROKEN
        for name in names:
            self.connections[name].watching, self.connections[name].requests = watching, requests

    def end_trouble(self, names: Iterable[str]) -> None:
        for name in names:
            self.connections[name].mend()

    def go_well(self, times: int = 3) -> None:
        """Everybody has its turn: logs flow, leaders renew, agents see it."""
        for _ in range(times):
            for name in NAMES:
                self.finish_cycle(name)
                self.stream(name)
                self.look(name)

    def calm_down(self) -> None:
        """No fault is left: within so many cycles, and once more after ttl, somebody leads."""
        self.cut_off.clear()
        self.silent.clear()
        self.end_trouble(NAMES)
        while self.store.in_flight:
            self.arrive()
        self.go_well(6)
        if not self.is_led():
            self.let_ttl_pass()
        self.go_well(6)
        if not self.is_led():
            raise NobodyLeads(f"{self.store.record}, {self.store.sync}")

    def is_led(self) -> bool:
        leader = self.members.get(self.store.record.leader or "")
        return leader is not None and leader.is_primary

    # What Patroni asks of PostgreSQL.

    def promote(self, me: Member) -> None:
        me.is_primary, me.follows, me.timeline = True, None, me.timeline + 1
        self.newest_timeline = max(self.newest_timeline, me.timeline)
        if self.rules.timelines_are_known:
            self.store.timeline = self.newest_timeline

    def streaming_from(self, me: Member) -> frozenset[str]:
        followers = [other for other in self.members.values() if other.follows == me.name and not other.is_primary]
        fit = [other for other in followers if other.name not in self.cut_off and other.can_stream_from(me)]
        return frozenset(other.name for other in fit)

    def confirmed(self, me: Member, sync: SyncRecord) -> frozenset[str]:
        """Whoever the sync record named already counts at once."""
        names = self.streaming_from(me) & me.sync_names
        return frozenset(
            name for name in names if name in sync.standbys or len(self.members[name].log) >= me.sync_since
        )

    def check(self) -> None:
        self.checker.check(self)
