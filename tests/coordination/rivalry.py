"""Rivals for a few locks, and everything that may befall them: stopped, killed or cut off past their lease, their store killed.

They count on a shard on PostgreSQL. What is counted at the end is exact, whoever died in the middle of what: each update
that was committed left its record in the same transaction.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coordination.relay import Relay, running_relay
from coordination.rival import THINKING_SHARE, Orders
from coordination.rival_stores import LEASE_SECONDS, SPACE, STORES, RivalStore
from postgres.clusters import running_clusters
from postgres.sdk.shards import Shards

KEYS = ["N1", "N2", "N3"]
DIRECT, RELAYED = "binding", "relayed"
CUT_OFF_EVERY = 3  # One rival of so many has its store behind the relay.


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each befalls somebody, in seconds between two."""

    stop_every: float = 0.6
    kill_every: float = 3.0
    cut_every: float = 3.0
    failover_every: float = 12.0


@dataclass(frozen=True, slots=True)
class Findings:
    """`lost`: updates that were committed and are not in the count. `repeated`: tokens that two acquisitions had.
    `backwards`: tokens that were less than an earlier one of the same rival."""

    acquisitions: int
    committed: int
    lost: int
    repeated: int
    backwards: int
    stops: int
    kills: int
    cuts: int
    failovers: int
    seconds: float


@dataclass
class Rivalry:
    """One run. The dice decide whom what befalls."""

    folder: Path
    shards: Shards
    store: RivalStore
    relay: Relay
    faults: Faults
    is_fenced: bool
    acquisitions: int
    rivals: int
    thinking_share: float
    dice: random.Random
    started: int = 0
    stops: int = 0
    kills: int = 0
    cuts: int = 0
    failovers: int = 0
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def run(self) -> Findings:
        began = time.monotonic()
        for _ in range(self.rivals):
            self._start_one()
        due = {name: began + every for name, every in self._rates().items()}
        while self._taken() < self.acquisitions and self._alive():
            time.sleep(0.05)
            for name, at in due.items():
                if time.monotonic() >= at:
                    getattr(self, f"_{name}")()
                    due[name] = time.monotonic() + self._rates()[name] * self.dice.uniform(0.7, 1.3)
        self.end()
        failed = [each.args for each in self.running if each.wait() != -signal.SIGKILL]
        assert not failed, f"rivals ended by themselves: {failed}"
        return self._count(time.monotonic() - began)

    def _taken(self) -> int:
        """How many acquisitions there were, of the dead and the living."""
        return sum(path.read_bytes().count(b"\n") for path in self.folder.glob("tokens-*"))

    def end(self) -> None:
        """Kill all: what they had committed counts."""
        for each in self.running:
            each.kill()

    def _rates(self) -> dict[str, float]:
        faults = self.faults
        return {
            "stop": faults.stop_every,
            "kill": faults.kill_every,
            "cut": faults.cut_every,
            "fail_over": faults.failover_every,
        }

    def _start_one(self) -> None:
        self.started += 1
        orders = Orders(
            self.dice.randrange(1 << 30),
            str(self.folder / (DIRECT if self.started % CUT_OFF_EVERY else RELAYED)),
            self.shards.dsn(),
            str(self.folder / f"tokens-{self.started}"),
            KEYS,
            self.is_fenced,
            self.thinking_share,
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.running.append(subprocess.Popen(orders.command(), env=environment))

    def _alive(self) -> list["subprocess.Popen[bytes]"]:
        return [each for each in self.running if each.poll() is None]

    def _stop(self) -> None:
        """Stop somebody for longer than its lease, in a thread, so that others are not spared meanwhile."""
        victim = self.dice.choice(self._alive())
        self.stops += 1
        victim.send_signal(signal.SIGSTOP)
        threading.Timer(self._too_long(), victim.send_signal, (signal.SIGCONT,)).start()

    def _too_long(self) -> float:
        """Seconds, until others have had the victim's lock for a while."""
        return self.store.forgotten_seconds * self.dice.uniform(1.2, 1.8)

    def _cut(self) -> None:
        """The store is out of reach for those behind the relay; the shard is not."""
        self.cuts += 1
        self.relay.cut()
        threading.Timer(self._too_long(), self.relay.heal).start()

    def _kill(self) -> None:
        self.kills += 1
        self.dice.choice(self._alive()).kill()
        self._start_one()

    def _fail_over(self) -> None:
        self.failovers += 1
        self.store.fail_over()

    def _count(self, seconds: float) -> Findings:
        tokens = [path.read_text().split("\n") for path in sorted(self.folder.glob("tokens-*"))]
        taken = [[line.split() for line in lines if line.count(" ") == 1] for lines in tokens]
        pairs = [(key, token) for each in taken for key, token in each]
        backwards = sum(_falls([int(token) for key, token in each if key == k]) for each in taken for k in KEYS)
        committed, counted = self._read_counts()
        return Findings(
            len(pairs), committed, committed - counted, len(pairs) - len(set(pairs)), backwards, self.stops, self.kills,
            self.cuts, self.failovers, seconds,
        )  # fmt: skip

    def _read_counts(self) -> tuple[int, int]:
        with self.shards.connect(0) as connection:
            row = connection.execute("SELECT count(*) FILTER (WHERE id > 0), sum(n) FROM flights").fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def _falls(tokens: list[int]) -> int:
    return sum(later <= earlier for earlier, later in itertools.pairwise(tokens))


@contextmanager
def prepared(
    folder: Path,
    backend: str = "redis",
    *,
    is_fenced: bool,
    acquisitions: int,
    rivals: int = 8,
    seed: int = 1,
    faults: Faults | None = None,
    thinking_share: float = THINKING_SHARE,
) -> Iterator[Rivalry]:
    """Everything that a run needs."""
    with ExitStack() as stack:
        store = stack.enter_context(STORES[backend]())
        relay = stack.enter_context(running_relay(store.port))
        shards = Shards(stack.enter_context(running_clusters(1, {"fsync": "off"})))
        shards.install(lambda group, bucket: 0)
        with shards.connect(0) as connection:
            connection.execute("CREATE SEQUENCE records; GRANT USAGE ON SEQUENCE records TO caisson_app")
            for key in KEYS:
                connection.execute("INSERT INTO flights VALUES (%s, 0, '', 0)", (key,))
        write_binding(folder / DIRECT, store.entries())
        write_binding(folder / RELAYED, store.entries(relay.port))
        dice = random.Random(seed)
        run = Rivalry(
            folder, shards, store, relay, faults or Faults(), is_fenced, acquisitions, rivals, thinking_share, dice
        )
        stack.callback(run.end)
        yield run


def write_binding(folder: Path, entries: Mapping[str, str]) -> None:
    """A lock space's."""
    folder.mkdir()
    policy = {"type": "caisson-lock", "space": SPACE, "lease_seconds": str(LEASE_SECONDS)}
    for name, text in {**policy, **entries}.items():
        (folder / name).write_text(text)
