"""Ids: what one costs, how many a process gives, what an HTTP client waits, and how many come twice in a storm.

`STORM_IDS=100000000` makes the storm as long as a night allows; without it, it is as long as in the tests.
"""

import gc
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import caisson
from bench.record import Record, compare, percentile
from caisson.ids.demand import Provision
from postgres.clusters import Cluster, running_clusters
from postgres.ids.storm import Plan, run_storm

ROUNDS = 7
CALLS = 400_000
SECONDS = 1.0
ROOT = Path(__file__).resolve().parents[2]
PACE = 600
"""Requests a second of 100 ids each."""
TOKEN = "bench"
CONNECTIONS = 4
HTTP_SECONDS = 20.0
SWITCH_SECONDS = 0.0005
"""The clients are threads of one interpreter, whose own turns of 5 ms would be taken for the server's."""
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
    """As fast as it goes, for the rate; then at a pace, for what a request takes from when it was due."""
    with id_server(server) as port:
        ask(port, 200, None, [])
        began, latencies = time.perf_counter(), run_clients(port, None)
        fastest = len(latencies) * 100 / (time.perf_counter() - began)
        paced = sorted(run_clients(port, PACE / CONNECTIONS))
    note = f"segment, {CONNECTIONS} connections, batches of 100"
    told = f"{PACE} requests/s of 100 ids, each timed from when it was due; p50 {percentile(paced, 0.5) * 1e3:.2f} ms"
    return [
        Record("segment_http_ids_per_s", "ids/s", round(fastest), 1, f"{note}, client in Python on the same machine"),
        Record(
            "segment_http_ms_p999", "ms", round(percentile(paced, 0.999) * 1e3, 3), 1, f"{told}, {len(paced)} requests"
        ),
    ]


def run_clients(port: int, pace: float | None) -> list[float]:
    sys.setswitchinterval(SWITCH_SECONDS)
    latencies: list[float] = []
    count = round(HTTP_SECONDS * pace) if pace else 4_000
    clients = [threading.Thread(target=ask, args=(port, count, pace, latencies)) for _ in range(CONNECTIONS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return latencies


def ask(port: int, count: int, pace: float | None, latencies: list[float]) -> None:
    connection, began = http.client.HTTPConnection("127.0.0.1", port), time.perf_counter()
    for turn in range(count):
        due = began + turn / pace if pace else time.perf_counter()
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.request("GET", "/next?count=100", headers={"Authorization": f"Bearer {TOKEN}"})
        connection.getresponse().read()
        latencies.append(time.perf_counter() - due)


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
