"""What the SDK's check costs: its calls beside the same statement through psycopg alone, in turn, on one connection each."""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psycopg

import caisson
from bench.record import Record, compare
from postgres.expansion.stage import Stage, set_stage

ROUNDS = 7
CALLS = 1500
KEY = "N1"
READ = "SELECT payload FROM flights WHERE tailnum = %s AND seq = %s"
WRITE = "UPDATE flights SET payload = %s WHERE tailnum = %s AND seq = %s"

Call = Callable[[int], object]


def measure() -> Sequence[Record]:
    with (
        tempfile.TemporaryDirectory() as folder,
        set_stage(Path(folder)) as stage,
        stage.source.connect(user="caisson_app") as raw,
        caisson.ShardedDatabase.connect(binding=stage.binding) as db,
    ):
        raw.execute("INSERT INTO flights VALUES (%s, 1, '0')", (KEY,))
        return [*measure_calls(raw, db), measure_load(stage, db)]


def measure_calls(raw: psycopg.Connection, db: caisson.ShardedDatabase) -> list[Record]:
    def raw_read(_: int) -> object:
        return raw.execute(READ, (KEY, 1)).fetchall()

    def raw_write(turn: int) -> object:
        return raw.execute(WRITE, (str(turn), KEY, 1))

    calls: dict[str, tuple[Call, Call]] = {
        "strong_read": (lambda _: db.fetch(READ, (KEY, 1), key=KEY, table="flights"), raw_read),
        "execute": (lambda turn: db.execute(WRITE, (str(turn), KEY, 1), key=KEY, table="flights"), raw_write),
        "run": (
            lambda turn: db.run(KEY, lambda tx: tx.execute(WRITE, (str(turn), KEY, 1)), table="flights"),
            raw_write,
        ),
    }
    note = f"{CALLS} calls a round against psycopg in autocommit"
    return [measure_pair(name, ours, theirs, note) for name, (ours, theirs) in calls.items()]


def measure_pair(name: str, ours: Call, theirs: Call, note: str) -> Record:
    values, baselines = [], []
    for _ in range(ROUNDS):
        values.append(rate(ours))
        baselines.append(rate(theirs))
    return compare(f"{name}_per_second", "calls/s", values, baselines, note)


def rate(call: Call) -> float:
    call(0)
    began = time.monotonic()
    for turn in range(CALLS):
        call(turn)
    return CALLS / (time.monotonic() - began)


def measure_load(stage: Stage, db: caisson.ShardedDatabase) -> Record:
    """Bulk rows through `load`, split by bucket and checked, against one COPY into the same table."""
    values, baselines = [], []
    for turn in range(1, 4):
        rows = [(f"L{number % 999}", turn * 10_000_000 + number, "x" * 60) for number in range(50_000)]
        plain = [(tail, seq + 5_000_000, text) for tail, seq, text in rows]
        load = partial(db.load, "flights", ("tailnum", "seq", "payload"), rows, "tailnum")
        values.append(timed(len(rows), load))
        baselines.append(timed(len(plain), partial(copy_plainly, stage, plain)))
    return compare(
        "load_rows_per_second", "rows/s", values, baselines, "50,000 rows; baseline: COPY as the application"
    )


def timed(count: int, work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return count / (time.monotonic() - began)


def copy_plainly(stage: Stage, rows: Sequence[tuple[str, int, str]]) -> None:
    with (
        stage.source.connect(user="caisson_app") as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY flights FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
