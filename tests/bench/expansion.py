"""An expansion on local clusters: how long a switch holds writers up, and how fast rows are copied."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

import caisson
from bench.record import Record, compare, percentile
from postgres.expansion.application import LoadOptions, first_key_of
from postgres.expansion.load import running_load
from postgres.expansion.mover import running_mover
from postgres.expansion.stage import Stage, set_stage

ROUNDS = 8
COPY_ROUNDS = 3
HUNG_ROUNDS = 5
FENCED_BUCKET = 8  # of 16: the first that moves from one shard to two
COPIED_ROWS = 200_000
SWITCH_GROUPS = 8
WRITERS = LoadOptions(processes=2, writers=4, readers=2, deaf_processes=0)


def measure() -> Sequence[Record]:
    return [*measure_pauses(), measure_hung_operator(), measure_copy()]


def measure_pauses() -> list[Record]:
    """From the fence's lock to the target's opening, under 8 writers and 4 strong readers."""
    pauses: list[float] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            pauses += pauses_of_one_expansion(Path(folder))
    note = f"{len(pauses)} switches under 8 writers and 4 readers, local clusters"
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return [
        Record(f"switch_pause_ms_{name}", "ms", round(percentile(pauses, share), 2), ROUNDS, note)
        for name, share in shares.items()
    ]


def pauses_of_one_expansion(folder: Path) -> list[float]:
    spec = {"expansion": {"switchGroups": SWITCH_GROUPS}}
    with set_stage(folder, spec) as stage, running_load(stage.clusters, stage.binding, WRITERS) as load:
        load.wait_for_writes(200)
        operator = stage.expand()
        load.wait_for_writes(200)
        findings = load.check()
    if not findings.is_clean:
        raise AssertionError(f"figures of a run that lost something are worth nothing: {findings}")
    return [seconds * 1000 for seconds in operator.pauses]


def measure_hung_operator() -> Record:
    """From the moment when the operator hangs inside the fence until a write to a bucket behind it is acknowledged."""
    seconds = [write_behind_hung_operator() for _ in range(HUNG_ROUNDS)]
    note = "the longest of all rounds; the server ends a fence that idles for 2 s"
    return Record("hung_operator_next_write_s", "s", round(max(seconds), 3), HUNG_ROUNDS, note)


def write_behind_hung_operator() -> float:
    key = first_key_of(FENCED_BUCKET)
    with (
        tempfile.TemporaryDirectory() as folder,
        set_stage(Path(folder)) as stage,
        caisson.ShardedDatabase.connect(binding=stage.binding) as database,
        running_mover(stage.clusters, {}, 2, stop_at="after lock") as mover,
    ):
        mover.wait_until_stopped()
        began = time.monotonic()
        database.execute("INSERT INTO flights VALUES (%s, 1)", (key,), key=key)
        return time.monotonic() - began


def measure_copy() -> Record:
    """Rows moved per second, from the first copy's begin to the last one's end, against COPY out piped into COPY in."""
    values, baselines = zip(*(copy_once() for _ in range(COPY_ROUNDS)), strict=True)
    note = f"half of {COPIED_ROWS} rows moved, indexes not counted; baseline: COPY from leaf to an empty table like it"
    return compare("copy_rows_per_second", "rows/s", values, baselines, note)


def copy_once() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, set_stage(Path(folder)) as stage:
        fill(stage)
        baseline = copy_plainly(stage)
        stage.expand()
        return copied_per_second(stage), baseline


def fill(stage: Stage) -> None:
    with stage.source.connect() as connection:
        connection.execute(
            "INSERT INTO flights SELECT 'N' || i %% 5000, i, repeat('x', 60) FROM generate_series(1, %s) AS i",
            (COPIED_ROWS,),
        )


def copy_plainly(stage: Stage) -> float:
    """The same rows by the plainest means there is: one COPY, into a table with the same primary key."""
    with stage.source.connect() as source, stage.target.connect() as target:
        target.execute("CREATE TABLE plain (tailnum text, seq bigint, payload text, PRIMARY KEY (tailnum, seq))")
        began = time.monotonic()
        pipe(source, target)
        seconds = time.monotonic() - began
        row = target.execute("SELECT count(*) FROM plain").fetchone()
        target.execute("DROP TABLE plain")
    return float(row[0] if row else 0) / seconds


def pipe(source: psycopg.Connection, target: psycopg.Connection) -> None:
    out = "COPY (SELECT * FROM flights) TO STDOUT"
    with source.cursor().copy(out) as reading, target.cursor().copy("COPY plain FROM STDIN") as writing:
        for data in reading:
            writing.write(data)


def copied_per_second(stage: Stage) -> float:
    with stage.target.connect() as connection:
        row = connection.execute(
            "SELECT sum(row_count) / extract(epoch FROM max(copied_at) - min(copy_started_at)) FROM caisson.switch_group"
        ).fetchone()
    return float(row[0] if row else 0)
