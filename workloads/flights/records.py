"""The records that the traffic leaves: one line a write, a read or a change of the map, appended and never rewritten.

A write's outcome is `acknowledged`, `failed` (the SDK said that nothing was done) or `unknown` (it could not say);
only acknowledged writes are promised to be there.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path

from flights.operations import Kind, Operation


class Outcome(StrEnum):
    """How an operation ended for the application."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """A write and how it ended; times in seconds since 1970, retries included."""

    operation: Operation
    started: float
    ended: float
    outcome: Outcome

    @property
    def latency_seconds(self) -> float:
        return self.ended - self.started


@dataclass(frozen=True, slots=True)
class Read:
    """A strong read of a register.

    `floor` is what was acknowledged before the read began, `ceiling` what was asked for before it had ended:
    a value below the floor is stale, one above the ceiling was applied twice.
    """

    reader: int
    tailnum: str
    bucket: int
    target: str
    started: float
    ended: float
    outcome: Outcome
    floor: int
    value: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class MapChange:
    """A shard was seen to claim a bucket at an epoch (or to have lost it, `owned` False)."""

    at: float
    shard: str
    bucket: int
    epoch: int
    owned: bool


def write_line(write: Write) -> str:
    o = write.operation
    fields = (o.kind, o.writer, o.sequence, o.tailnum, o.bucket, o.booking, o.counter)
    return "\t".join(map(str, (*fields, f"{write.started:.6f}", f"{write.ended:.6f}", write.outcome))) + "\n"


def parse_write(line: str) -> Write:
    kind, writer, sequence, tailnum, bucket, booking, counter, started, ended, outcome = line.rstrip("\n").split("\t")
    operation = Operation(Kind(kind), int(writer), int(sequence), tailnum, int(bucket), int(booking), int(counter))
    return Write(operation, float(started), float(ended), Outcome(outcome))


def read_line(read: Read) -> str:
    return "\t".join(f"{field:.6f}" if isinstance(field, float) else str(field) for field in astuple(read)) + "\n"


def parse_read(line: str) -> Read:
    reader, tailnum, bucket, target, started, ended, outcome, *numbers = line.rstrip("\n").split("\t")
    floor, value, ceiling = map(int, numbers)
    return Read(
        int(reader), tailnum, int(bucket), target, float(started), float(ended), Outcome(outcome), floor, value, ceiling
    )


def map_line(change: MapChange) -> str:
    return f"{change.at:.6f}\t{change.shard}\t{change.bucket}\t{change.epoch}\t{int(change.owned)}\n"


def parse_map(line: str) -> MapChange:
    at, shard, bucket, epoch, owned = line.rstrip("\n").split("\t")
    return MapChange(float(at), shard, int(bucket), int(epoch), owned == "1")


def lines(folder: Path, pattern: str) -> Iterator[str]:
    """All lines of the files that match, file after file."""
    for path in sorted(folder.glob(pattern)):
        with path.open(encoding="utf-8") as file:
            yield from file


def read_writes(folder: Path) -> list[Write]:
    return [parse_write(line) for line in lines(folder, "writes-*.tsv")]


def read_reads(folder: Path) -> list[Read]:
    return [parse_read(line) for line in lines(folder, "reads-*.tsv")]


def read_map(folder: Path) -> list[MapChange]:
    return sorted((parse_map(line) for line in lines(folder, "map-*.tsv")), key=lambda change: change.at)
