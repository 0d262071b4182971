"""Ids: what one costs, how many a process gives, what an HTTP client waits, and how many come twice in a storm.

`STORM_IDS=100000000` makes the storm as long as a night allows; without it, it is as long as in the tests.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import caisson
from bench.http_load import CONNECTIONS, TOKEN
from bench.record import Record, compare, percentile
from caisson.ids.demand import Provision
from postgres.clusters import Cluster, running_clusters
from postgres.ids.storm import Plan, run_storm

ROUNDS = 7
CALLS = 400_000
SECONDS = 1.0
ROOT = Path(__file__).resolve().parents[2]
PACE = 500
"""Requests a second of 100 ids each: the goal's 50,000 ids/s."""
HTTP_SECONDS = 15.0
HTTP_ROUNDS = 3
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
STORM_IDS = int(os.environ.get("STORM_IDS", "1000000"))
STORM_KILLS = 24


def measure() -> Sequence[Record]:
    with running_clusters(1) as (server,):
        return [
            measure_next(server),
            measure_sustained(server),
            measure_take(server),
            *measure_http(server),
            *measure_storms(server),
        ]


def measure_next(server: Cluster) -> Record:
    """Nanoseconds of a call in a loop. The layout allows one each 244 ns and no faster."""
    from snowflake import SnowflakeGenerator  # only this bench has to have it

    values, baselines = [], []
    with caisson.IdAllocator.connect(dsn=server.dsn(), space="bench/next") as ids:
        common = SnowflakeGenerator(1)
        for _ in range(ROUNDS):
            values.append(nanoseconds(ids.next))
            baselines.append(nanoseconds(common.__next__))
    record = compare(
        "snowflake_next_ns", "ns", values, baselines, "baseline: snowflake-id, which asks nobody for its worker id"
    )
    return inverted(record, values, baselines)


def inverted(record: Record, values: Sequence[float], baselines: Sequence[float]) -> Record:
    """Of times the ratio is baseline over value."""
    turned = compare("", "", baselines, values, "")
    return Record(
        record.metric,
        record.unit,
        record.value,
        record.rounds,
        record.note,
        baseline=record.baseline,
        ratio=turned.ratio,
    )


def nanoseconds(call: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e9


def measure_sustained(server: Cluster) -> Record:
    """Share of the 4,096 ids a millisecond that the layout has, for a second."""
    with caisson.IdAllocator.connect(dsn=server.dsn(), space="bench/sustained") as ids:
        shares = [rate(lambda: ids.take(4096), 4096) / 4_096_000 for _ in range(ROUNDS)]
    ordered = sorted(shares)
    return Record(
        "snowflake_sustained", "share", round(ordered[ROUNDS // 2], 4), ROUNDS, f"take(4096); least {ordered[0]:.3f}"
    )


def measure_take(server: Cluster) -> Record:
    """Segments, 1000 at a time, each a list of numbers; beside the list alone."""
    values, baselines = [], []
    provision = Provision(rated_per_second=40_000_000)
    with caisson.IdAllocator.connect(dsn=server.dsn(), space="bench/take", mode="segment", provision=provision) as ids:
        first = ids.next()
        for _ in range(ROUNDS):
            values.append(rate(lambda: ids.take(1000), 1000))
            baselines.append(rate(lambda: list(range(first, first + 1000)), 1000))
    return compare(
        "take_ids_per_s", "ids/s", values, baselines, "mode segment, take(1000); baseline: list(range()) alone"
    )


def rate(work: Callable[[], object], count: int) -> float:
    gc.collect()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        work()
        done += count
    return done / (time.perf_counter() - began)


def measure_http(server: Cluster) -> list[Record]:
    """As fast as it goes; then at the goal's rate, in turn with a server that does nothing: what is left over is the client's and the machine's."""
    with id_server(server) as port, bare_server() as bare:
        load(port, PACE, 1.0)
        saturated = load(port, 0, HTTP_SECONDS)["latencies"]
        paced, empty = [], []
        for _ in range(HTTP_ROUNDS):
            paced.append(load(port, PACE, HTTP_SECONDS))
            empty.append(load(bare, PACE, HTTP_SECONDS))
    values, baselines = ([p999_ms(each["latencies"]) for each in rounds] for rounds in (paced, empty))
    late = max(p999_ms(each["lateness"]) for each in paced)
    p50 = percentile([latency for each in paced for latency in each["latencies"]], 0.5) * 1e3
    closed = f"closed loop: {CONNECTIONS} connections, batches of 100, each asks as soon as it was answered"
    opened = (
        f"open loop: {PACE} requests/s of 100 ids at even intervals, timed from when due; p50 {p50:.2f} ms; the client itself late by "
        f"{late:.2f} ms in p99.9; each round {[round(value, 2) for value in values]}; baseline: a server that does nothing"
    )
    record = compare("segment_http_ms_p999", "ms", values, baselines, opened)
    return [
        Record("segment_http_ids_per_s", "ids/s", round(len(saturated) * 100 / HTTP_SECONDS), 1, closed),
        Record("segment_http_saturated_ms_p999", "ms", round(p999_ms(saturated), 3), 1, f"{closed}, as above"),
        inverted(record, values, baselines),
    ]


def p999_ms(seconds: Sequence[float]) -> float:
    return percentile(seconds, 0.999) * 1e3


def load(port: int, pace: float, seconds: float) -> dict[str, list[float]]:
    """By a process of its own (bench.http_load), so that no thread of the bench's delays it."""
    command = [sys.executable, "-m", "bench.http_load", "ask", str(port), str(pace), str(seconds)]
    told: dict[str, list[float]] = json.loads(
        subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True).stdout
    )
    return told


@contextmanager
def bare_server() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.http_load", "bare"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def id_server(server: Cluster) -> Iterator[int]:
    """As the operator runs it, but in the clear: a process that reads a binding. Its port."""
    entries = {
        "type": "caisson-ids", "mode": "segment", "space": "bench/http", "backend": "database", "host": "127.0.0.1",
        "port": server.port, "database": "app", "username": "postgres", "password": "-", "server_token": TOKEN,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as root:
        binding = Path(root, "ids")
        binding.mkdir()
        for key, value in entries.items():
            (binding / key).write_text(str(value))
        environment = {**os.environ, "SERVICE_BINDING_ROOT": root, "PYTHONPATH": str(ROOT / "workloads/sdk")}
        command = [
            sys.executable,
            "-m",
            "caisson.ids.server",
            "ids",
            "--without-tls",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().split()[-1])
        finally:
            process.terminate()
            process.wait(10)


def measure_storms(server: Cluster) -> list[Record]:
    """64 workers, killed, with clocks that jump, the store away now and then."""
    batch = 500 if STORM_IDS <= 10_000_000 else 20_000
    plans = (
        Plan("caisson", STORM_IDS, STORM_KILLS, 4, batch=batch),
        Plan("common", STORM_IDS, STORM_KILLS, 0, batch=batch),
    )
    records = []
    for plan, metric in zip(plans, ("duplicate_ids", "duplicate_ids_control"), strict=True):
        seen = run_storm(plan, server, "bench/storm")
        note = (
            f"of {seen.ids:,} ids in {seen.seconds:.0f} s: {plan.workers} workers, {seen.kills} processes of 8 killed, "
            f"{seen.pauses} stopped past their leases, {seen.outages} outages of the store, clocks by up to 1 h; {seen.worker_ids} worker ids, {seen.used_again} of them used again"
        )
        about = "" if plan.kind == "caisson" else "snowflake-id, numbers chosen by hand: "
        records.append(Record(metric, "ids", seen.duplicates, 1, about + note))
    return records
