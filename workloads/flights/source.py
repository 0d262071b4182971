"""Holds the loaded tables against the files that they came from. Pure, apart from Python's own hash.

A row is compared as one line: the columns in the file's order, joined by tabs, which is also what COPY sends.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flights.checker import Fault, Finding


@dataclass(frozen=True, slots=True)
class LeafCount:
    """Flights (or bookings) of one bucket that met their plane, and the seats of those planes together."""

    rows: int
    seats: int


def line_of(row: Sequence[str]) -> bytes:
    return "\t".join(row).encode()


def check_source(
    expected: Mapping[int, int], found: Iterable[tuple[int, int]], table: str = "flights"
) -> list[Finding]:
    """`expected` and `found` are (number of the row, hash of its line)."""
    seen: set[int] = set()
    findings = []
    for number, digest in found:
        subject = f"{table} row {number}"
        if number in seen:
            findings.append(Finding(Fault.DUPLICATED, subject, "on the shards more than once"))
        elif number not in expected:
            findings.append(Finding(Fault.SOURCE_DIFFERS, subject, "is not in the data set"))
        elif expected[number] != digest:
            findings.append(Finding(Fault.SOURCE_DIFFERS, subject, "has other values than the data set"))
        seen.add(number)
    lost = [Finding(Fault.LOST, f"{table} row {number}", "is on no shard") for number in expected.keys() - seen]
    return findings + lost


def count_joins(rows: Iterable[tuple[int, str]], seats: Mapping[str, int]) -> dict[int, LeafCount]:
    """What the join must give in each bucket, from (bucket, tailnum) of all rows and the seats of all planes."""
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    for bucket, tailnum in rows:
        if tailnum in seats:
            counts[bucket] += 1
            sums[bucket] += seats[tailnum]
    return {bucket: LeafCount(counts[bucket], sums[bucket]) for bucket in counts}


def check_joins(expected: Mapping[int, LeafCount], found: Mapping[int, LeafCount], table: str) -> list[Finding]:
    """The same join, as the shards answered it."""
    return [
        Finding(Fault.JOIN_DIFFERS, f"{table} with planes in bucket {bucket}", f"{found.get(bucket)}, wanted {wanted}")
        for bucket in sorted(expected.keys() | found.keys())
        if (wanted := expected.get(bucket)) != found.get(bucket)
    ]
