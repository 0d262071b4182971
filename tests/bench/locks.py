"""Locks on a local Redis: the pair, the hand-over, fairness, dead waiters, lost updates. Baselines are measured in turn in
the same run. Environment: ACQUISITIONS of the run under faults (100,000)."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import redis

import caisson
from bench.lock_players import SPAWN, opened, take_turns, wait_on_request
from bench.record import Record, compare, percentile
from coordination.lock_contract import until, waiting
from coordination.redis import Server, running_redis
from coordination.rivalry import Faults, Findings, prepared

ROUNDS, CALLS = 7, 3000
HANDOVERS, BASELINE_HANDOVERS = 600, 60
RIVALS, TURN_SECONDS = 8, 5.0
DEAD, LEASE_SECONDS = 50, 5.0
ACQUISITIONS = int(os.environ.get("ACQUISITIONS", "100000"))
SHARES = {"redis": 0.75, "redlock": 0.05, "zookeeper": 0.1, "database": 0.1}
CONTROL_SHARE = 20
CONTROL_SHARES = {"redis": 0.6, "redlock": 0.2, "zookeeper": 0.1, "database": 0.1}
"""Of a twentieth: few acquisitions on Redlock would have nobody stopped at the wrong time."""
FAULTS = Faults(stop_every=4.0, kill_every=10.0, cut_every=10.0, failover_every=40.0, loss_every=50.0)
CONTROL_FAULTS = Faults(stop_every=0.5, kill_every=2.0, cut_every=2.0, failover_every=12.0, loss_every=15.0)
UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
WAITER = (
    "import sys, threading, caisson; locks = caisson.DistributedLock.connect(url=sys.argv[1], lease=float(sys.argv[2])); "
    "[threading.Thread(target=locks.lock('dead').hold).start() for _ in range(int(sys.argv[3]))]"
)

Call = Callable[[], object]


def measure() -> Sequence[Record]:
    with running_redis() as server:
        server.raise_epoch(1)
        speed = [
            measure_pair(server),
            *measure_handover(server),
            measure_fairness(server),
            measure_dead_waiters(server),
        ]
    return [*speed, *measure_lost_updates()]


def measure_pair(server: Server) -> Record:
    """hold + release, token and all, against the least that can be called a lock: SET NX PX and a script that compares."""
    plain = redis.Redis(port=server.port)
    unlock = plain.register_script(UNLOCK)

    def raw() -> None:
        plain.set("raw", "mine", nx=True, px=10_000)
        unlock(keys=["raw"], args=["mine"])

    with opened("caisson", server.url, "bench") as hold:

        def ours() -> None:
            with hold():
                pass

        values, baselines = [], []
        for _ in range(ROUNDS):
            values.append(rate(ours))
            baselines.append(rate(raw))
    note = f"{CALLS} pairs a round, one thread, with fencing; baseline: SET NX PX + Lua through redis-py with hiredis"
    return compare("lock_pair", "pairs/s", values, baselines, note)


def rate(call: Call) -> float:
    call()
    began = time.monotonic()
    for _ in range(CALLS):
        call()
    return CALLS / (time.monotonic() - began)


def measure_handover(server: Server) -> list[Record]:
    """From just before one process releases until another, which has waited, has it."""
    ours = handovers("caisson", server, HANDOVERS)
    theirs = handovers("redis-py", server, BASELINE_HANDOVERS)
    note = f"between two processes; baseline: redis-py's Lock, {BASELINE_HANDOVERS} rounds"
    records = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value, base = (round(1000 * percentile(each, share), 3) for each in (ours, theirs))
        records.append(Record(f"lock_handover_ms_{name}", "ms", value, HANDOVERS, note, base, round(base / value, 3)))
    return records


def handovers(kind: str, server: Server, rounds: int) -> list[float]:
    mine, its = SPAWN.Pipe()
    name = f"handover-{kind}"
    process = SPAWN.Process(target=wait_on_request, args=(kind, server.url, name, its))
    process.start()
    taken = []
    with opened(kind, server.url, name) as hold, caisson.DistributedLock.connect(url=server.url) as locks:
        assert mine.recv() == "ready"
        for _ in range(rounds):
            with hold():
                mine.send("go")
                mine.recv()
                if kind == "caisson":
                    until(lambda: waiting(locks, name) != ())
                else:
                    time.sleep(0.002)  # nobody can see it wait
                began = time.monotonic()
            taken.append(float(mine.recv()) - began)
    mine.send(None)
    process.join()
    return taken


def measure_fairness(server: Server) -> Record:
    """How often the luckiest of eight processes had the lock, over the unluckiest."""
    ours, theirs = (unfairness(kind, server) for kind in ("caisson", "redis-py"))
    note = f"max/min of {RIVALS} processes in {TURN_SECONDS:g} s; baseline: redis-py's Lock"
    return Record("lock_fairness", "max/min", round(ours, 3), 1, note, round(theirs, 3), round(theirs / ours, 3))


def unfairness(kind: str, server: Server) -> float:
    start = SPAWN.Barrier(RIVALS)
    pipes, processes = [], []
    for _ in range(RIVALS):
        mine, its = SPAWN.Pipe()
        pipes.append(mine)
        arguments = (kind, server.url, f"fair-{kind}", TURN_SECONDS, start, its)
        processes.append(SPAWN.Process(target=take_turns, args=arguments))
        processes[-1].start()
    turns = [int(pipe.recv()) for pipe in pipes]
    for process in processes:
        process.join()
    return max(turns) / max(1, min(turns))


def measure_dead_waiters(server: Server) -> Record:
    """How long one who lives waits behind fifty who were stopped (the worst that can befall), and behind fifty killed."""
    killed = wait_behind_the_dead(server, signal.SIGKILL)
    stopped = wait_behind_the_dead(server, signal.SIGSTOP)
    note = f"{DEAD} waiters stopped; {DEAD} killed: {killed:.3f} s; baseline: one lease"
    return Record(
        "lock_dead_waiters_s", "s", round(stopped, 3), 1, note, LEASE_SECONDS, round(LEASE_SECONDS / stopped, 3)
    )


def wait_behind_the_dead(server: Server, how: signal.Signals) -> float:
    command = [sys.executable, "-c", WAITER, server.url, str(LEASE_SECONDS), str(DEAD // 5)]
    with caisson.DistributedLock.connect(url=server.url, lease=LEASE_SECONDS) as locks:
        held = locks.lock("dead").hold()
        dead = [
            subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) for _ in range(5)
        ]
        until(lambda: len(waiting(locks, "dead")) == DEAD)
        for process in dead:
            process.send_signal(how)
        began = time.monotonic()
        held.release()
        locks.lock("dead").hold(timeout=DEAD * LEASE_SECONDS).release()
        took = time.monotonic() - began
        for process in dead:
            process.kill()
            process.wait()
    return took


def measure_lost_updates() -> list[Record]:
    """Acknowledged updates that are gone, of rivals under faults, behind a fence and without one."""
    return [
        count_lost("lost_updates_fenced", ACQUISITIONS, SHARES, FAULTS, is_fenced=True),
        count_lost(
            "lost_updates_control", ACQUISITIONS // CONTROL_SHARE, CONTROL_SHARES, CONTROL_FAULTS, is_fenced=False
        ),
    ]


def count_lost(
    metric: str, acquisitions: int, shares: Mapping[str, float], faults: Faults, *, is_fenced: bool
) -> Record:
    """Over all stores together, each with its share of the acquisitions and told by itself."""
    found = {
        backend: under_faults(backend, round(acquisitions * share), faults, is_fenced=is_fenced)
        for backend, share in shares.items()
    }
    lost = sum(each.lost for each in found.values())
    note = "; ".join(f"{backend}: {describe(each)}" for backend, each in found.items())
    return Record(metric, "updates", lost, sum(each.acquisitions for each in found.values()), note)


def under_faults(backend: str, acquisitions: int, faults: Faults, *, is_fenced: bool) -> Findings:
    with (
        tempfile.TemporaryDirectory() as folder,
        prepared(Path(folder), backend, is_fenced=is_fenced, acquisitions=acquisitions, faults=faults) as rivalry,
    ):
        return rivalry.run()


def describe(findings: Findings) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in asdict(findings).items())
