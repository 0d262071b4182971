"""Holds what the shards have against what the application was promised. Pure: records and rows in, findings out.

The rules, with `unknown` outcomes counted as neither kept nor broken:
- an acknowledged booking is on exactly one shard, once;
- a counter is at least the acknowledged increments and at most the asked-for ones that may have been done;
- what failed, or was never asked for, is not there;
- a strong read saw at least what was acknowledged before it began, and nothing that had not been asked for yet;
- at any epoch one shard owns a bucket, and epochs never fall.
"""

from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flights.operations import Catalogue, Family, Kind, Operation, families_of
from flights.records import MapChange, Outcome, Read, Write


class Fault(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    UNASKED = "unasked"
    STALE = "stale"
    AHEAD = "ahead"
    TWO_OWNERS = "two owners"
    EPOCH_FELL = "epoch fell"
    SOURCE_DIFFERS = "source differs"
    JOIN_DIFFERS = "join differs"


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach; `count` is how many writes or reads it stands for."""

    fault: Fault
    subject: str
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A row of `bookings` as some shard has it."""

    shard: str
    tailnum: str
    booking: int
    version: int


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """The counter of a row of `flights` as some shard has it."""

    shard: str
    flight_id: int
    revision: int


def total(findings: Iterable[Finding], *faults: Fault) -> int:
    return sum(finding.count for finding in findings if finding.fault in faults)


def check_bookings(writes: Sequence[Write], rows: Sequence[BookingRow]) -> list[Finding]:
    """Every booking that was asked for by its own number, against the rows of all shards."""
    asked = {write.operation.booking: write for write in writes if write.operation.kind in (Kind.INSERT, Kind.PAIR)}
    found: dict[int, list[BookingRow]] = defaultdict(list)
    for row in rows:
        if row.booking > 0:
            found[row.booking].append(row)
    lost = [
        Finding(Fault.LOST, f"booking {number}", describe(write.operation))
        for number, write in asked.items()
        if write.outcome is Outcome.ACKNOWLEDGED and number not in found
    ]
    return lost + [finding for number, copies in found.items() for finding in judge_copies(asked.get(number), copies)]


def judge_copies(write: Write | None, copies: Sequence[BookingRow]) -> list[Finding]:
    """What is wrong with the rows that hold one number."""
    where = ", ".join(f"{row.shard} {row.tailnum} version {row.version}" for row in copies)
    subject = f"booking {copies[0].booking}"
    if write is None or write.outcome is Outcome.FAILED:
        return [Finding(Fault.UNASKED, subject, where, len(copies))]
    if len(copies) > 1:
        return [Finding(Fault.DUPLICATED, subject, where, len(copies) - 1)]
    if copies[0].version != 1 or copies[0].tailnum != write.operation.tailnum:
        return [Finding(Fault.UNASKED, subject, f"{where}; asked for {describe(write.operation)}")]
    return []


def check_counters(
    writes: Sequence[Write], catalogue: Catalogue, bookings: Sequence[BookingRow], revisions: Sequence[RevisionRow]
) -> list[Finding]:
    """Every shared counter between what was acknowledged and what may have been done."""
    acknowledged, possible = count_increments(writes)
    versions = values_by_key((row.booking, row.shard, row.version) for row in bookings if row.booking < 0)
    flights = values_by_key((row.flight_id, row.shard, row.revision) for row in revisions)
    counters = {counter.flight_id: counter.index for counter in catalogue.counters}
    findings = [
        Finding(Fault.UNASKED, f"flight {flight}", f"revision {values}")
        for flight, values in flights.items()
        if flight not in counters and any(values.values())
    ]
    for counter in catalogue.counters:
        for family, values in (
            (Family.REVISION, flights.get(counter.flight_id, {})),
            (Family.VERSION, versions.get(counter.booking, {})),
        ):
            cell = (family, counter.index)
            subject = f"{family.name.lower()} {counter.index} of {counter.tailnum}"
            findings += judge_counter(subject, values, acknowledged[cell], possible[cell])
    return findings


def count_increments(writes: Iterable[Write]) -> tuple[Multiset[tuple[Family, int]], Multiset[tuple[Family, int]]]:
    """Increments of each counter: those acknowledged, and those that may have been done."""
    acknowledged: Multiset[tuple[Family, int]] = Multiset()
    possible: Multiset[tuple[Family, int]] = Multiset()
    for write in writes:
        for family in families_of(write.operation.kind):
            cell = (family, write.operation.counter)
            acknowledged[cell] += write.outcome is Outcome.ACKNOWLEDGED
            possible[cell] += write.outcome is not Outcome.FAILED
    return acknowledged, possible


def values_by_key(rows: Iterable[tuple[int, str, int]]) -> dict[int, dict[str, int]]:
    values: dict[int, dict[str, int]] = defaultdict(dict)
    for key, shard, value in rows:
        values[key][shard] = values[key].get(shard, 0) + value
    return values


def judge_counter(subject: str, values: Mapping[str, int], acknowledged: int, possible: int) -> list[Finding]:
    detail = f"acknowledged {acknowledged}, possible {possible}, found {dict(values)}"
    if len(values) > 1:
        return [Finding(Fault.DUPLICATED, subject, detail, len(values) - 1)]
    value = sum(values.values())
    if value < acknowledged:
        return [Finding(Fault.LOST, subject, detail, acknowledged - value)]
    if value > possible:
        return [Finding(Fault.DUPLICATED, subject, detail, value - possible)]
    return []


def check_reads(reads: Iterable[Read]) -> list[Finding]:
    """Strong reads against the bounds that were taken around them."""
    findings = []
    for read in reads:
        if read.outcome is not Outcome.ACKNOWLEDGED:
            continue
        detail = f"{read.tailnum} bucket {read.bucket}: read {read.value}, bounds {read.floor}..{read.ceiling}"
        if read.value < read.floor:
            findings.append(Finding(Fault.STALE, read.target, detail))
        elif read.value > read.ceiling:
            findings.append(Finding(Fault.AHEAD, read.target, detail))
    return findings


def check_map(changes: Iterable[MapChange]) -> list[Finding]:
    """One owner for each epoch of a bucket, and epochs that only rise."""
    owners: dict[tuple[int, int], str] = {}
    highest: dict[tuple[str, int], int] = {}
    findings = []
    for change in changes:
        if not change.owned:
            continue
        owner = owners.setdefault((change.bucket, change.epoch), change.shard)
        if owner != change.shard:
            subject = f"bucket {change.bucket} epoch {change.epoch}"
            findings.append(Finding(Fault.TWO_OWNERS, subject, f"{owner} and {change.shard}"))
        before = highest.get((change.shard, change.bucket), 0)
        if change.epoch < before:
            subject = f"bucket {change.bucket} on {change.shard}"
            findings.append(Finding(Fault.EPOCH_FELL, subject, f"from {before} to {change.epoch}"))
        highest[change.shard, change.bucket] = max(before, change.epoch)
    return findings


def describe(operation: Operation) -> str:
    return f"{operation.kind} by writer {operation.writer} for {operation.tailnum} in bucket {operation.bucket}"
