"""Rivals for a few locks, and everything that may befall them: stopped, killed or cut off past their lease, their store killed,
wiped or set back.

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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coordination.relay import Way, open_way
from coordination.rival import THINKING_SHARE, Orders
from coordination.rival_redis import LEASE_SECONDS
from coordination.rival_stores import SPACE, STORES, ForgetfulStore, RivalStore
from postgres.clusters import running_clusters
from postgres.sdk.shards import Shards

KEYS = ["N1", "N2", "N3"]
DIRECT, RELAYED = "binding", "relayed"
Fault = Callable[[], None]
CUT_OFF_EVERY = 3  # One rival of so many has its store behind relays.


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each befalls somebody, in seconds between two; those of the store one after the other."""

    stop_every: float = 0.6
    kill_every: float = 3.0
    cut_every: float = 3.0
    failover_every: float = 12.0
    loss_every: float = 20.0
    """Of stores that can lose their data."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`relayed`: acquisitions of those who may be cut off. `lost`: updates that were committed and are not in the count. `repeated`: tokens that two acquisitions had.
    `backwards`: tokens that were less than an earlier one of the same rival. `wipes`, `restores`: how often the store lost all that
    it had, and went on with nothing, or with what an older copy had."""

    acquisitions: int
    relayed: int
    committed: int
    lost: int
    repeated: int
    backwards: int
    stops: int
    kills: int
    cuts: int
    failovers: int
    wipes: int
    restores: int
    seconds: float


@dataclass
class Rivalry:
    """One run. The dice decide whom what befalls."""

    folder: Path
    shards: Shards
    store: RivalStore
    way: Way
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
    wipes: int = 0
    restores: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def run(self) -> Findings:
        began = time.monotonic()
        for _ in range(self.rivals):
            self._start_one()
        with ThreadPoolExecutor(1) as aside:  # rivals are not spared while their store is down
            store_faults = aside.submit(self._befall, self._store_faults(), self.is_over.is_set)
            try:
                self._befall(self._rival_faults(), lambda: store_faults.done() or self._is_played())
            finally:
                self.is_over.set()
            store_faults.result()
        self.end()
        failed = [each.args for each in self.running if each.wait() != -signal.SIGKILL]
        assert not failed, f"rivals ended by themselves: {failed}"
        return self._count(time.monotonic() - began)

    def _befall(self, faults: Mapping[Fault, float], is_over: Callable[[], bool]) -> None:
        """One fault after the other, each about as often as it says, in seconds between two."""
        due = {fault: time.monotonic() + every for fault, every in faults.items()}
        while not is_over():
            time.sleep(0.05)
            for fault in [fault for fault, at in due.items() if time.monotonic() >= at]:
                fault()
                due[fault] = time.monotonic() + faults[fault] * self.dice.uniform(0.7, 1.3)

    def _is_played(self) -> bool:
        """Whether there were as many acquisitions as wanted, of the dead and the living, and every fault befell somebody."""
        taken = sum(path.read_bytes().count(b"\n") for path in self.folder.glob("tokens-*"))
        losses = self.wipes + self.restores if isinstance(self.store, ForgetfulStore) else 1
        return taken >= self.acquisitions and min(self.stops, self.kills, self.cuts, self.failovers, losses) > 0

    def end(self) -> None:
        """Kill all: what they had committed counts."""
        for each in self.running:
            each.kill()

    def _rival_faults(self) -> dict[Fault, float]:
        every = self.faults
        return {self._stop: every.stop_every, self._kill: every.kill_every, self._cut: every.cut_every}

    def _store_faults(self) -> dict[Fault, float]:
        every = {self._fail_over: self.faults.failover_every}
        return {**every, self._lose_data: self.faults.loss_every} if isinstance(self.store, ForgetfulStore) else every

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
        """The store, or some of its servers, are out of reach for those whose way it is; the shard is not."""
        self.cuts += 1
        self.way.cut_some(self.dice)
        threading.Timer(self._too_long(), self.way.heal).start()

    def _kill(self) -> None:
        self.kills += 1
        self.dice.choice(self._alive()).kill()
        self._start_one()

    def _fail_over(self) -> None:
        self.failovers += 1
        self.store.fail_over(self.dice)

    def _lose_data(self) -> None:
        assert isinstance(self.store, ForgetfulStore)
        if self.store.lose_data(self.dice):
            self.restores += 1
        else:
            self.wipes += 1

    def _count(self, seconds: float) -> Findings:
        taken = {number: self._read_tokens(number) for number in range(1, self.started + 1)}
        pairs = [pair for each in taken.values() for pair in each]
        relayed = sum(len(each) for number, each in taken.items() if not number % CUT_OFF_EVERY)
        backwards = sum(_falls([token for key, token in each if key == k]) for each in taken.values() for k in KEYS)
        committed, counted = self._read_counts()
        return Findings(
            len(pairs), relayed, committed, committed - counted, len(pairs) - len(set(pairs)), backwards, self.stops,
            self.kills, self.cuts, self.failovers, self.wipes, self.restores, seconds,
        )  # fmt: skip

    def _read_tokens(self, number: int) -> list[tuple[str, int]]:
        """A rival's, in the order in which it had them. One that was killed early has none; its last line may be cut short."""
        path = self.folder / f"tokens-{number}"
        *lines, _ = path.read_text().split("\n") if path.exists() else [""]
        return [(key, int(token)) for key, token in (line.split() for line in lines)]

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
    open_store: Callable[[], AbstractContextManager[RivalStore]] | None = None,
    is_fenced: bool,
    acquisitions: int,
    rivals: int = 8,
    seed: int = 1,
    faults: Faults | None = None,
    thinking_share: float = THINKING_SHARE,
) -> Iterator[Rivalry]:
    """Everything that a run needs."""
    with ExitStack() as stack:
        store = stack.enter_context((open_store or STORES[backend])())
        way = stack.enter_context(open_way())
        shards = Shards(stack.enter_context(running_clusters(1, {"fsync": "off"})))
        shards.install(lambda group, bucket: 0)
        with shards.connect(0) as connection:
            connection.execute("CREATE SEQUENCE records; GRANT USAGE ON SEQUENCE records TO caisson_app")
            for key in KEYS:
                connection.execute("INSERT INTO flights VALUES (%s, 0, '', 0)", (key,))
        write_binding(folder / DIRECT, store.entries())
        write_binding(folder / RELAYED, store.entries(way))
        dice = random.Random(seed)
        run = Rivalry(
            folder, shards, store, way, faults or Faults(), is_fenced, acquisitions, rivals, thinking_share, dice
        )
        stack.callback(run.end)
        yield run


def write_binding(folder: Path, entries: Mapping[str, str]) -> None:
    """A lock space's."""
    folder.mkdir()
    policy = {"type": "caisson-lock", "space": SPACE, "lease_seconds": str(LEASE_SECONDS)}
    for name, text in {**policy, **entries}.items():
        (folder / name).write_text(text)
