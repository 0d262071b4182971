"""64 workers that allocate ids while everything goes wrong: processes are killed or hang, clocks jump by an hour, the store is away.

Every id that a worker wrote down is looked at in the end. The same storm is the test (10^6 ids), the measurement (`make bench`,
10^8 if asked for) and its own control, with a common library in the place of the allocator.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from caisson.ids.layout import Layout
from postgres.clusters import Cluster

TESTS = Path(__file__).resolve().parents[2]
PATHS = [str(TESTS), str(TESTS.parent / "workloads/sdk"), os.environ.get("PYTHONPATH", "")]
PARTS = 64
LAPSE_SECONDS = 3.0
"""Longer than a lease of the storm's workers, which is 2 s."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it. A storm ends when there are enough ids and enough has happened."""

    kind: str
    ids: int
    kills: int
    outages: int
    batch: int = 500
    pause: float = 0.02
    workers: int = 64
    processes: int = 8
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    ids: int = 0
    duplicates: int = 0
    kills: int = 0
    outages: int = 0
    pauses: int = 0
    worker_ids: int = 0
    """How many different ones the ids name."""
    used_again: int = 0
    """How many of those are named by the ids of more than one worker's life."""
    seconds: float = 0.0


@dataclass(slots=True)
class Storm:
    plan: Plan
    server: Cluster
    space: str
    folder: Path
    chance: random.Random
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    births: int = 0

    def start(self, place: int) -> None:
        self.births += 1
        share = self.plan.workers // self.plan.processes
        order = {
            "kind": self.plan.kind,
            "dsn": self.server.dsn(),
            "space": self.space,
            "folder": str(self.folder),
            "slots": list(range(place * share, (place + 1) * share)),
            "seed": f"{self.plan.seed}-{self.births}",
            "batch": self.plan.batch,
            "pause": self.plan.pause,
        }
        command = [sys.executable, "-m", "postgres.ids.storm_worker", json.dumps(order)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
        self.running[place] = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def kill_one(self) -> None:
        place = self.chance.randrange(self.plan.processes)
        self.end(place)
        self.start(place)

    def end(self, place: int) -> None:
        self.running[place].kill()
        self.running[place].wait()

    def written(self) -> int:
        return sum(each.stat().st_size for each in self.folder.iterdir()) // 8


def run_storm(plan: Plan, server: Cluster, space: str) -> Outcome:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(plan, server, space, Path(folder), random.Random(plan.seed))
        for place in range(plan.processes):
            storm.start(place)
        try:
            outcome = blow(storm)
        finally:
            for place in storm.running:
                storm.end(place)
        outcome.ids, outcome.duplicates = count(storm.folder)
        lives = count_lives(storm.folder)
        outcome.worker_ids, outcome.used_again = len(lives), sum(count > 1 for count in lives.values())
    outcome.seconds = time.monotonic() - began
    return outcome


def blow(storm: Storm) -> Outcome:
    outcome, plan = Outcome(), storm.plan
    while storm.written() < plan.ids or outcome.kills < plan.kills or outcome.outages < plan.outages:
        before = storm.written()
        wait_for_ids(storm, before + plan.batch * plan.workers)
        storm.kill_one()
        outcome.kills += 1
        if outcome.kills % 4 == 0:
            with stopped(storm.server.processes):
                time.sleep(LAPSE_SECONDS)  # everybody runs dry
            outcome.outages += 1
        if outcome.kills % 4 == 2:
            with stopped([storm.running[storm.chance.randrange(plan.processes)].pid]):
                time.sleep(LAPSE_SECONDS)  # others may have its worker ids by the time it wakes up
            outcome.pauses += 1
    return outcome


def wait_for_ids(storm: Storm, wanted: int, seconds: float = 20.0) -> None:
    """Until there is news, so that each fault meets workers that work. A storm that stands still goes on all the same."""
    deadline = time.monotonic() + seconds
    while storm.written() < wanted and time.monotonic() < deadline:
        time.sleep(0.05)


@contextmanager
def stopped(processes: Sequence[int]) -> Iterator[None]:
    """They hang: the store's, so that nobody gets an answer; or a worker's, that does not know how long."""
    signal_all(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(processes, signal.SIGCONT)


def signal_all(processes: Sequence[int], number: int) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def read(file: Path) -> "array[int]":
    """The whole ids of one life; what a kill cut short was given to nobody."""
    ids = array("q")
    with file.open("rb") as opened:
        ids.fromfile(opened, file.stat().st_size // 8)
    return ids


def count(folder: Path) -> tuple[int, int]:
    """Ids, and how many of them had been given before. Part by part, so that 10^8 fit into memory."""
    parts = [array("q") for _ in range(PARTS)]
    for file in folder.iterdir():
        for id in read(file):
            parts[id % PARTS].append(id)
    total = sum(map(len, parts))
    return total, total - sum(len(set(part)) for part in parts)


def count_lives(folder: Path) -> Counter[int]:
    """How many workers' lives named each worker id; a file is a life, and one id of each thousandth of it is looked at."""
    layout = Layout()
    return Counter(
        worker
        for ids in map(read, folder.iterdir())
        for worker in {layout.decode(id).worker for id in ids[:: max(1, len(ids) // 1000)]}
    )
