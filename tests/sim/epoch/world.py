"""Redis servers, the record in Kubernetes and one agent a server, each agent cut into the moves between which it may crash.

The servers are as bad as Redis may be: a promotion loses whatever had not been replicated, a restart loses the newest writes, a
volume may be wiped or come back from a copy of last week, and a primary that nobody follows any more goes on serving.
"""

from dataclasses import dataclass, field, replace

from epoch_agent.decide import Raise, Record, Server, Write, decide, must_raise

NAMES = ("r0", "r1", "r2")


class TokenRepeated(AssertionError):
    """Two grants got the same token, or a later primary handed out a lower one than a primary before it."""


@dataclass(frozen=True, slots=True)
class Data:
    """What a server has in memory: its key, and the counter that tokens are counted with."""

    epoch: int = 0
    replid: str = ""
    counter: int = 0


@dataclass(slots=True)
class Redis:
    name: str
    replid: str
    is_primary: bool = False
    data: Data = Data()
    saved: Data = Data()
    """A copy that a restore brings back."""

    def read(self) -> Server:
        return Server(self.is_primary, self.replid, self.data.epoch, self.data.replid)


@dataclass(slots=True)
class Agent:
    """What it has read, and how far it has come. `compares` is the guard: off, it writes the record over whatever is there."""

    compares: bool = True
    server: Server | None = None
    record: Record | None = None
    raised: Raise | None = None

    def crash(self) -> None:
        self.server = self.record = self.raised = None


@dataclass(slots=True)
class World:
    compares: bool = True
    number: int = 0
    record: Record = field(default_factory=lambda: Record(0, "", "", "v0"))
    servers: dict[str, Redis] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    granted: dict[tuple[int, int], str] = field(default_factory=dict)
    """Token -> the run of a server that gave it."""
    begun: dict[str, int] = field(default_factory=dict)
    """Run of a server -> the number of runs that had granted something when it first granted."""
    highest: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.servers = {name: Redis(name, self._new_replid()) for name in NAMES}
        self.agents = {name: Agent(self.compares) for name in NAMES}

    # What happens to servers.

    def promote(self, name: str, lost: int) -> None:
        """Another primary, with what it has; the old one, if there is one, hears of nothing and goes on."""
        server = self.servers[name]
        source = max(self.servers.values(), key=lambda each: (each.data.epoch, each.data.counter)).data
        server.data = replace(source, counter=max(source.counter - lost, 0))
        server.is_primary, server.replid = True, self._new_replid()

    def demote(self, name: str) -> None:
        """It follows the primary with the highest epoch, and takes its data and its id."""
        server = self.servers[name]
        others = [each for each in self.servers.values() if each.is_primary and each.name != name]
        if others:
            leader = max(others, key=lambda each: each.data.epoch)
            server.is_primary, server.data, server.replid = False, leader.data, leader.replid

    def restart(self, name: str, lost: int) -> None:
        """With the same role; a primary has another id afterwards."""
        server = self.servers[name]
        server.data = replace(server.data, counter=max(server.data.counter - lost, 0))
        if server.is_primary:
            server.replid = self._new_replid()

    def save(self, name: str) -> None:
        self.servers[name].saved = self.servers[name].data

    def restore(self, name: str) -> None:
        """From its copy, or from nothing: both take a restart."""
        self.servers[name].data = self.servers[name].saved
        self.restart(name, 0)

    def flush(self, name: str) -> None:
        """Everything is deleted while the server runs: no other id, and no key either."""
        self.servers[name].data = Data()

    # What agents do, one move at a time.

    def move(self, name: str) -> None:
        """The next move of this server's agent: look, then read the record and decide, then set the record, then write the key."""
        agent = self.agents[name]
        if agent.server is None:
            agent.server = self.servers[name].read()
        elif agent.raised is not None:
            self._write_key(name, agent.raised)
            agent.crash()
        elif agent.record is None:
            agent.record = self.record
            if not must_raise(agent.server):
                agent.crash()
        else:
            self._set_record(name, agent, agent.server, agent.record)

    def _set_record(self, name: str, agent: Agent, server: Server, record: Record) -> None:
        match decide(server, record):
            case Raise() as wanted:
                is_current = wanted.version == self.record.version
                if is_current or not agent.compares:
                    self.record = Record(wanted.epoch, wanted.replid, name, self._new_version())
                    agent.raised = wanted
                else:
                    agent.crash()
            case Write():
                raise AssertionError("nothing was refused here")
            case _:
                agent.crash()

    def _write_key(self, name: str, raised: Raise) -> None:
        """As the script does: only on a primary that still has the id, and never a lower number."""
        server = self.servers[name]
        if server.is_primary and server.replid == raised.replid and server.data.epoch < raised.epoch:
            server.data = Data(raised.epoch, raised.replid, server.data.counter)

    # What clients do.

    def grant(self, name: str) -> bool:
        """As the scripts of the locks do: refused while the key does not carry the server's present id."""
        server = self.servers[name]
        if not server.is_primary or server.data.replid != server.replid:
            return False
        server.data = replace(server.data, counter=server.data.counter + 1)
        token, run = (server.data.epoch, server.data.counter), f"{name}/{server.replid}"
        if token in self.granted:
            raise TokenRepeated(f"{token} was given by {self.granted[token]}, and again by {run}")
        if token <= self.highest.get(run, (0, 0)):
            raise TokenRepeated(f"{run} has gone back to {token}")
        self.granted[token], self.highest[run] = run, token
        return True

    def calm(self, name: str) -> None:
        """In the end its agent gets to do what it has to."""
        for _ in range(8):
            self.move(name)

    def _new_replid(self) -> str:
        self.number += 1
        return f"id{self.number}"

    def _new_version(self) -> str:
        self.number += 1
        return f"v{self.number}"
