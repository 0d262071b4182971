"""What the probes record: a line for each write and each read. Imported in the probes' pods too, so nothing but Python.

Times are seconds since 1970 at the monotonic clock's pace. All nodes of kind are containers of one machine, so that its
clock is theirs, and records of different pods may be compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SDK, PINNED = "sdk", "pinned"
"""Who wrote or read: through the SDK, or by a plain connection to the pod that was the primary when the round began."""


class Outcome(StrEnum):
    """Of a write, or of a read: that one is acknowledged once it is answered, and failed otherwise."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """`timeline` is the server's at that write; 0 where it did not answer."""

    writer: str
    number: int
    timeline: int
    started: float
    ended: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Read:
    """`value` is the highest number that the reader saw of those written through the SDK; 0 where it was not answered."""

    reader: str
    value: int
    started: float
    ended: float
    outcome: Outcome = Outcome.ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class Records:
    writes: tuple[Write, ...]
    reads: tuple[Read, ...]

    def __add__(self, other: "Records") -> "Records":
        return Records(self.writes + other.writes, self.reads + other.reads)


def write_line(write: Write) -> str:
    fields = (write.writer, write.number, write.timeline, f"{write.started:.6f}", f"{write.ended:.6f}", write.outcome)
    return "\t".join(map(str, ("W", *fields)))


def read_line(read: Read) -> str:
    fields = (read.reader, read.value, f"{read.started:.6f}", f"{read.ended:.6f}", read.outcome)
    return "\t".join(map(str, ("R", *fields)))


def parse(lines: Iterable[str]) -> Records:
    """Whatever else a pod printed is skipped, and so is a last line that is not whole."""
    writes, reads = [], []
    for line in lines:
        match line.split("\t"):
            case ["W", writer, number, timeline, started, ended, outcome] if outcome in list(Outcome):
                writes.append(Write(writer, int(number), int(timeline), float(started), float(ended), Outcome(outcome)))
            case ["R", reader, value, started, ended, outcome] if outcome in list(Outcome):
                reads.append(Read(reader, int(value), float(started), float(ended), Outcome(outcome)))
    return Records(tuple(writes), tuple(reads))
