"""Redis for rivals' locks: a primary with a replica under a Sentinel, or several independent primaries (Redlock).

An agent raises epochs as the one in a managed server's pod does, and keeps the highest outside of the servers, as that one
does in a ConfigMap. A server that is down lends its data as a copy of that moment, to be restored later.
"""

import json
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from coordination.redis import Server, running_redis, running_replica, running_sentinel, wait_until_linked
from coordination.relay import Way

MASTER = "locks"
MEMBERS = 5
FIRST_EPOCH = 1
HOST = "127.0.0.1"
DATA = "appendonlydir"
LEASE_SECONDS = 1.0
LONGEST_SECONDS = 60.0

FindPrimaries = Callable[[], Sequence[Server]]


class Agent(threading.Thread):
    """Raises the epoch of whoever is primary, whenever its replication id is another. `is_raising=False` is for controls:
    each gets the first number again."""

    def __init__(self, find_primaries: FindPrimaries, *, is_raising: bool = True) -> None:
        super().__init__(daemon=True)
        self.must_end = threading.Event()
        self._find_primaries = find_primaries
        self._is_raising = is_raising
        self._epoch = FIRST_EPOCH - 1

    def run(self) -> None:
        while not self.must_end.wait(0.05):
            with suppress(redis.RedisError, OSError):
                for primary in self._find_primaries():
                    self._look(primary)

    def _look(self, primary: Server) -> None:
        with suppress(redis.RedisError, OSError):
            if not is_raised(primary):
                self._epoch += 1
                primary.raise_epoch(self._epoch if self._is_raising else FIRST_EPOCH)


def is_raised(server: Server) -> bool:
    """Whether it needs no other epoch: it is a replica, or has one for its present replication id. Raises RedisError."""
    client = server.connect()
    known = client.info("replication")
    role, replication_id = str(known["role"]), str(known["master_replid"])
    return role != "master" or client.hget("caisson:epoch", "replid") == replication_id


def wait_until_raised(server: Server) -> None:
    wait_until(lambda: is_raised(server), f"nobody raised the epoch of the server on port {server.port}")


def wait_until(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


def start_replica(server: Server, primary: Server) -> None:
    """As a managed member starts, which asks the Sentinels first; they would tell it, ten seconds later."""
    server.start()
    server.connect().replicaof(HOST, str(primary.port))
    wait_until_linked(server)


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of what servers had, the oldest first. Each is restored once."""

    folder: Path
    taken: list[Path] = field(default_factory=list)

    def take(self, server: Server) -> None:
        """It has to be down."""
        self.taken.append(Path(tempfile.mkdtemp(dir=self.folder)))
        shutil.copytree(server.directory / DATA, self.taken[-1] / DATA)

    def lose(self, server: Server) -> bool:
        """A server that is down has nothing any more but the oldest copy: whether there was one."""
        server.wipe()
        if not self.taken:
            return False
        server.restore_from(self.taken.pop(0))
        return True


@dataclass(frozen=True, slots=True)
class SentinelStore:
    """A primary with a replica under a Sentinel."""

    sentinel: Server
    servers: tuple[Server, Server]
    copies: Copies
    forgotten_seconds: float = LEASE_SECONDS

    def primary(self) -> Server:
        """Who is, by the Sentinel. Raises RedisError."""
        _, port = self.sentinel.connect().sentinel_get_master_addr_by_name(MASTER)  # type: ignore[misc]
        return next(server for server in self.servers if server.port == int(port))

    def replica(self) -> Server:
        primary = self.primary()
        return next(server for server in self.servers if server is not primary)

    def entries(self, way: Way | None = None) -> Mapping[str, str]:
        """Whose way may be cut is told other ports by the Sentinel, where relays are."""
        ask, ports = self.sentinel.port, {server.port: server.port for server in self.servers}
        if way:
            ports = {port: way.lead_to(lambda port=port: port) for port in ports}  # type: ignore[misc]
            words = {str(port).encode(): str(relayed).encode() for port, relayed in ports.items()}
            ask = way.lead_to(lambda: self.sentinel.port, lambda line: words.get(line, line))
        place = {"backend": "redis", "host": HOST, "port": str(ports[self.primary().port]), "master": MASTER}
        return {**place, "sentinels": _addresses([ask])}

    def fail_over(self, dice: random.Random) -> None:
        """The replica is promoted and its epoch raised; the dead one comes back as its replica."""
        dead, heir = self.primary(), self.replica()
        dead.kill()
        self.copies.take(dead)
        wait_until(lambda: self.primary() is not dead, f"the Sentinel promoted nobody: {self.sentinel.log}")
        wait_until_raised(heir)
        start_replica(dead, heir)

    def lose_data(self, dice: random.Random) -> bool:
        """Both lose all that they have. The Sentinel finds nobody to promote, and the same primary again."""
        primary, replica = self.primary(), self.replica()
        replica.kill()
        primary.kill()
        replica.wipe()
        is_restored = self.copies.lose(primary)
        primary.start()
        wait_until_raised(primary)
        start_replica(replica, primary)
        return is_restored


@dataclass(frozen=True, slots=True)
class IndependentStore:
    """Primaries that know nothing of each other. What befalls them befalls a minority at a time."""

    members: Sequence[Server]
    copies: Copies
    forgotten_seconds: float = LEASE_SECONDS

    def entries(self, way: Way | None = None) -> Mapping[str, str]:
        ports = [member.port for member in self.members]
        if way:
            ports = [way.lead_to(lambda port=port: port) for port in ports]  # type: ignore[misc]
        return {"backend": "redlock", "host": HOST, "topology": "independent", "members": _addresses(ports)}

    def fail_over(self, dice: random.Random) -> None:
        """Some are killed, and away until nothing that was held on them can be held any more."""
        with self._some_dead(dice) as dead:
            for member in dead:
                self.copies.take(member)
            time.sleep(self.forgotten_seconds * dice.uniform(1.2, 1.8))

    def lose_data(self, dice: random.Random) -> bool:
        """Some lose all that they have, and are back at once; one at least as it was before, if there is a copy."""
        with self._some_dead(dice) as dead:
            restored = [self.copies.lose(member) for member in dead]
        return any(restored)

    @contextmanager
    def _some_dead(self, dice: random.Random) -> Iterator[Sequence[Server]]:
        dead = dice.sample(self.members, dice.randint(1, (len(self.members) - 1) // 2))
        for member in dead:
            member.kill()
        yield dead
        for member in dead:
            member.start()
        for member in dead:
            wait_until_raised(member)


@contextmanager
def running_sentinel_store(*, is_raising: bool = True) -> Iterator[SentinelStore]:
    with ExitStack() as stack:
        first = stack.enter_context(running_redis())
        second = stack.enter_context(running_replica(first))
        sentinel = stack.enter_context(running_sentinel(first, MASTER))
        store = SentinelStore(sentinel, (first, second), stack.enter_context(_copies()))
        stack.enter_context(_agent(lambda: [store.primary()], is_raising=is_raising))
        wait_until_raised(first)
        yield store


@contextmanager
def running_independent_store() -> Iterator[IndependentStore]:
    with ExitStack() as stack:
        members = [stack.enter_context(running_redis()) for _ in range(MEMBERS)]
        stack.enter_context(_agent(lambda: members, is_raising=True))
        for member in members:
            wait_until_raised(member)
        yield IndependentStore(members, stack.enter_context(_copies()))


@contextmanager
def _agent(find_primaries: FindPrimaries, *, is_raising: bool) -> Iterator[None]:
    agent = Agent(find_primaries, is_raising=is_raising)
    agent.start()
    try:
        yield
    finally:
        agent.must_end.set()


@contextmanager
def _copies() -> Iterator[Copies]:
    with tempfile.TemporaryDirectory() as folder:
        yield Copies(Path(folder))


def _addresses(ports: Sequence[int]) -> str:
    return json.dumps([{"host": HOST, "port": port} for port in ports])
