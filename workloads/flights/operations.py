"""What the writers do, chosen from a seeded stream: pure, so that the checker knows every effect that was asked for.

- `insert`: a booking with a number that nobody else uses; must be there exactly once.
- `increment`: `revision = revision + 1` on a flight; applied twice or not at all, the counter says so.
- `upsert`: the same on a booking that is made by whoever comes first.
- `pair`: a booking and an increment in one transaction; both or neither.

Counters are shared by all writers: an update that is lost needs two of them on one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from random import Random

BOOKINGS_PER_WRITER = 1_000_000_000
KNUTH = 2_654_435_761


class Kind(StrEnum):
    """The statement that a writer sends."""

    INSERT = "insert"
    INCREMENT = "increment"
    UPSERT = "upsert"
    PAIR = "pair"


class Family(IntEnum):
    """Which counter of a `Counter` row is meant."""

    REVISION = 0
    VERSION = 1


SHARES = {Kind.INSERT: 50, Kind.INCREMENT: 20, Kind.UPSERT: 20, Kind.PAIR: 10}


@dataclass(frozen=True, slots=True)
class Counter:
    """A row that all writers count on: the flight's revision, and the version of booking `-(index + 1)`."""

    index: int
    tailnum: str
    flight_id: int
    bucket: int

    @property
    def booking(self) -> int:
        """Negative, so that it never meets a writer's own numbers."""
        return -(self.index + 1)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is to write to."""

    tailnums: tuple[str, ...]
    buckets: tuple[int, ...]
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One write. `booking` is 0 where none is touched, `counter` is -1 where none is."""

    kind: Kind
    writer: int
    sequence: int
    tailnum: str
    bucket: int
    booking: int = 0
    counter: int = -1

    def idempotency_key(self, run: str) -> str:
        return f"{run}-{self.writer}-{self.sequence}"


def families_of(kind: Kind) -> tuple[Family, ...]:
    """Which counters a write raises."""
    match kind:
        case Kind.INSERT:
            return ()
        case Kind.INCREMENT | Kind.PAIR:
            return (Family.REVISION,)
        case Kind.UPSERT:
            return (Family.VERSION,)


def booking_number(writer: int, sequence: int) -> int:
    return (writer + 1) * BOOKINGS_PER_WRITER + sequence


def plane_of_booking(booking: int, planes: int) -> int:
    """Which plane an inserted booking is on: a function of its number, so that a reader needs the number alone."""
    return (booking * KNUTH % 2**32) % planes


def choose(random: Random, catalogue: Catalogue, writer: int, sequence: int) -> Operation:
    """The next write of this writer."""
    kind = random.choices(tuple(SHARES), weights=tuple(SHARES.values()))[0]
    booking = booking_number(writer, sequence)
    if kind is Kind.INSERT:
        plane = plane_of_booking(booking, len(catalogue.tailnums))
        return Operation(kind, writer, sequence, catalogue.tailnums[plane], catalogue.buckets[plane], booking)
    counter = random.choice(catalogue.counters)
    touched = {Kind.INCREMENT: 0, Kind.UPSERT: counter.booking, Kind.PAIR: booking}[kind]
    return Operation(kind, writer, sequence, counter.tailnum, counter.bucket, touched, counter.index)


def pick_counters(flights: Sequence[tuple[int, str, int]], per_bucket: int) -> tuple[Counter, ...]:
    """The first `per_bucket` tail numbers of every bucket, so that no bucket moves unobserved.

    `flights` are (id, tailnum, bucket) in the order of the file.
    """
    chosen: dict[int, dict[str, int]] = {}
    for flight_id, tailnum, bucket in flights:
        rows = chosen.setdefault(bucket, {})
        if tailnum and tailnum not in rows and len(rows) < per_bucket:
            rows[tailnum] = flight_id
    rows_in_order = [(bucket, *row) for bucket in sorted(chosen) for row in chosen[bucket].items()]
    return tuple(
        Counter(index, tailnum, flight_id, bucket) for index, (bucket, tailnum, flight_id) in enumerate(rows_in_order)
    )
