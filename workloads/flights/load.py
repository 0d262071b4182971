"""Loads the data set through the SDK, as an application would its own."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from caisson import ShardedDatabase
from flights.dataset import FLIGHT_COLUMNS, PLANE_COLUMNS, TAILNUM, as_values, flight_rows, read_planes

TELL_SECONDS = 1.0


@dataclass(slots=True)
class Progress:
    """Prints how far a table is, once a second at most."""

    table: str
    now: Callable[[], float]
    told_at: float = 0.0

    def __call__(self, rows: int) -> None:
        if self.now() - self.told_at >= TELL_SECONDS:
            self.told_at = self.now()
            print(f"{self.table}: {rows} rows", flush=True)


def load_dataset(binding: str, flights_limit: int | None) -> int:
    """Both tables; returns the number of rows."""
    with ShardedDatabase.connect(binding) as database:
        planes = load_table(database, "planes", PLANE_COLUMNS, (as_values(row) for row in read_planes()))
        flights = load_table(database, "flights", (*FLIGHT_COLUMNS, "id"), flight_rows(flights_limit))
    return planes + flights


def load_table(database: ShardedDatabase, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    started = time.monotonic()
    count = database.load(table, columns, rows, key=TAILNUM, progress=Progress(table, time.monotonic))
    seconds = time.monotonic() - started
    print(f"{table}: {count} rows in {seconds:.1f} s, {count / max(seconds, 1e-9):.0f} rows/s", flush=True)
    return count
