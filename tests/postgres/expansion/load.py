"""Applications of a sharded database under test: writers and readers over the SDK, in processes of their own.

They write the same few rows, so that a lost update shows; every outcome is recorded, and `ledger.check` judges it in the end.
"""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import caisson
from postgres.clusters import Cluster
from postgres.expansion.application import LoadOptions, Shared, read_found, run_application
from postgres.expansion.ledger import Findings, Outcome, Read, Write, check

START_SECONDS = 60.0
CONTEXT = multiprocessing.get_context("spawn")


@dataclass
class RunningLoad:
    """A load that writes and reads until `stop`."""

    clusters: Sequence[Cluster]
    options: LoadOptions
    shared: Shared
    results: Any
    seeded: list[Write]
    processes: list[SpawnProcess] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """How many writes have been acknowledged so far."""
        return int(self.shared.acknowledged.value)

    def wait_for_writes(self, more: int, seconds: float = START_SECONDS) -> None:
        """Until `more` writes have been acknowledged from now on; TimeoutError says that writers stand still."""
        wanted, deadline = self.acknowledged + more, time.monotonic() + seconds
        while self.acknowledged < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"writers stand still: {self.acknowledged} of {wanted} writes")
            dead = [process.exitcode for process in self.processes if process.exitcode is not None]
            if dead:
                raise ChildProcessError(f"a load process ended with {dead}")
            time.sleep(0.01)

    def hold(self, seconds: float = START_SECONDS) -> None:
        """From now on COMMITs take long; returns once every holder is within one."""
        self.shared.is_holding.set()
        wanted, deadline = self.options.writers * self.options.deaf_processes, time.monotonic() + seconds
        while sum(count_held_commits(cluster) for cluster in self.clusters) < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError("the holders do not hold")
            time.sleep(0.01)

    def release(self) -> None:
        self.shared.is_holding.clear()

    def stop(self) -> None:
        """Let every operation end, and gather what they recorded. Safe to repeat."""
        self.shared.is_stopped.set()
        for _ in range(len(self.processes)):
            writes, reads = self.results.get(timeout=2 * self.options.timeout_seconds)
            self.writes += writes
            self.reads += reads
        for process in self.processes:
            process.join()
        self.processes = []

    def check(self) -> Findings:
        """Stop, and judge what is on the shards now."""
        self.stop()
        return check([*self.seeded, *self.writes], self.reads, read_found(self.clusters))

    def count(self, outcome: Outcome) -> int:
        return sum(write.outcome is outcome for write in self.writes)


@contextmanager
def running_load(
    clusters: Sequence[Cluster], binding: Path, options: LoadOptions | None = None
) -> Iterator[RunningLoad]:
    """Seed rows, start the processes, and return once every one of them has written."""
    options = replace(options or LoadOptions(), binding=binding)
    seeded = seed_rows(options)
    shared = Shared(
        CONTEXT.Event(), CONTEXT.Event(), CONTEXT.Value("q", 0), CONTEXT.Array("q", options.tails), CONTEXT.Semaphore(0)
    )
    load = RunningLoad(clusters, options, shared, CONTEXT.Queue(), seeded)
    for number in range(options.processes):
        process = CONTEXT.Process(target=run_application, args=(number, options, shared, load.results), daemon=True)
        process.start()
        load.processes.append(process)
    try:
        for _ in load.processes:
            if not shared.ready.acquire(timeout=START_SECONDS):
                raise TimeoutError("a load process did not start")
        yield load
    finally:
        load.stop()


def count_held_commits(cluster: Cluster) -> int:
    with cluster.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()
    return int(row[0]) if row else 0


def seed_rows(options: LoadOptions) -> list[Write]:
    """Counters at zero, and rows that nobody touches again."""
    history = [(tail, number) for number, tail in enumerate(options.tail_names() * options.rows_per_tail)]
    with caisson.ShardedDatabase.connect(binding=options.binding) as database:
        database.load("planes", ("tailnum", "seats"), [(tail, 0) for tail in options.tail_names()], "tailnum")
        rows = [(tail, number, "x" * 40) for tail, number in history]
        database.load("flights", ("tailnum", "seq", "payload"), rows, "tailnum")
    return [Write(Outcome.ACKNOWLEDGED, inserted=tuple(history))]
