"""Three members, the store, the agents, and the checker, which looks after every moment."""

from dataclasses import dataclass, field

from .agent import ALL_GUARDS, Guards, SimulatedAgent
from .member import Member
from .patroni import Cycle, Mode, cycle
from .store import Store

NAMES = "ABC"


class Violation(AssertionError):
    pass


class AcknowledgedCommitLost(Violation):
    pass


class NobodyLeads(Violation):
    pass


@dataclass
class World:
    guards: Guards = ALL_GUARDS
    mode: Mode = Mode.ON
    store: Store = field(default_factory=Store)
    members: dict[str, Member] = field(default_factory=dict)
    agents: dict[str, SimulatedAgent] = field(default_factory=dict)
    cycles: dict[str, Cycle] = field(default_factory=dict)
    # Who receives nothing at the moment, however it tries.
    cut_off: set[str] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    commits: int = 0
    newest_timeline: int = 1
    # Whose REST API does not answer the others.
    silent: str = "A"

    def __post_init__(self) -> None:
        self.members = {name: Member(name, follows=None if name == "A" else "A") for name in NAMES}
        self.agents = {name: SimulatedAgent(name, self.guards) for name in NAMES}
        self.members["A"].is_primary = True
        if self.mode != Mode.ASYNCHRONOUS:
            self.members["A"].set_sync_names(self.store.sync.standbys)

    # What happens.

    def write(self, name: str) -> None:
        if self.members[name].is_primary:
            self.commits += 1
            self.members[name].log.append(self.commits)
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
            running = self.cycles.setdefault(name, cycle(self, self.members[name]))
            reached = next(running, None)
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
        self.agents[name].look(self, seconds)

    def act(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            self.agents[name].act(self)
            self.check()

    def notice_silence(self, name: str) -> None:
        for _ in range(8):
            self.look(name)

    def go_well(self, times: int = 3) -> None:
        """Everybody has its turn: logs flow, leaders renew, agents see it."""
        for _ in range(times):
            for name in NAMES:
                self.finish_cycle(name)
                self.stream(name)
                self.look(name)

    def calm_down(self) -> None:
        self.cut_off.clear()
        self.go_well(12)
        leader = self.members.get(self.store.record.leader or "")
        if leader is None or not leader.is_primary:
            raise NobodyLeads(f"{self.store.record}, {self.store.sync}")
        self.check()

    # What Patroni asks of PostgreSQL.

    def promote(self, me: Member) -> None:
        self.newest_timeline += 1
        me.is_primary, me.follows, me.timeline = True, None, self.newest_timeline

    def streaming_from(self, me: Member) -> frozenset[str]:
        followers = [other for other in self.members.values() if other.follows == me.name and not other.is_primary]
        return frozenset(other.name for other in followers if other.name not in self.cut_off)

    def confirmed(self, me: Member) -> frozenset[str]:
        names = self.streaming_from(me) & me.sync_names
        return frozenset(name for name in names if len(self.members[name].log) >= me.sync_since)

    # What must hold.

    def check(self) -> None:
        """Acknowledge whatever may be, as early as may be; what is acknowledged is in the newest primary's log."""
        primaries = [member for member in self.members.values() if member.is_primary]
        for primary in primaries:
            self.acknowledged.update(commit for commit in primary.log if self._may_acknowledge(primary, commit))
        newest = max(primaries, key=lambda member: member.timeline, default=None)
        if newest and newest.timeline == self.newest_timeline and (lost := self.acknowledged - set(newest.log)):
            raise AcknowledgedCommitLost(f"{sorted(lost)} not on {newest.name}")

    def _may_acknowledge(self, primary: Member, commit: int) -> bool:
        if not primary.sync_names:
            return True
        return any(commit in self.members[name].log for name in primary.sync_names)
