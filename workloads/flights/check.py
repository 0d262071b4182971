"""After the traffic has stopped: reads the records and the shards, and reports what held and what did not."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from flights.catalogue import build_catalogue
from flights.checker import Fault, Finding, check_bookings, check_counters, check_map, check_reads, total
from flights.dataset import MISSING, PLANE_COLUMNS, TAILNUM_AT, read_flights, read_planes
from flights.direct import every_shard, read_binding
from flights.figures import (
    acknowledged,
    failover_silence,
    measure_between_switches,
    measure_pauses,
    owned_by,
    poorest_window,
    switches,
)
from flights.operations import Catalogue, Kind
from flights.records import MapChange, Outcome, Read, Write, read_map, read_reads, read_writes
from flights.rows import (
    Shards,
    count_joined,
    count_rows,
    read_bookings,
    read_flight_hashes,
    read_plane_hashes,
    read_revisions,
)
from flights.source import check_joins, check_source, count_joins, line_of

SHOWN_FINDINGS = 20
SEATS_AT = PLANE_COLUMNS.index("seats")


@dataclass(frozen=True, slots=True)
class Kill:
    """When which shard's primary was killed."""

    shard: str
    at: float


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What the command line says."""

    binding: str
    log: Path
    buckets: int
    flights: int | None
    kills: tuple[Kill, ...]


def run_check(options: CheckOptions) -> dict[str, Any]:
    """The report, ready for JSON."""
    writes, reads, changes = read_writes(options.log), read_reads(options.log), read_map(options.log)
    catalogue = build_catalogue(options.buckets, options.flights)
    with every_shard(read_binding(options.binding)) as shards:
        findings = [
            *check_rows(shards, catalogue, writes),
            *check_loaded(shards, options, catalogue),
            *check_reads(reads),
            *check_map(changes),
        ]
        names, rows_found = sorted(shards), count_rows(shards, ("flights", "planes"))
    return {
        **count_operations(writes, reads),
        **count_findings(findings),
        **measure(writes, reads, changes, options.kills),
        "rows_found": rows_found,
        "shards": names,
    }


def check_rows(shards: Shards, catalogue: Catalogue, writes: Sequence[Write]) -> list[Finding]:
    """What the traffic wrote."""
    bookings = read_bookings(shards)
    revisions = read_revisions(shards, [counter.flight_id for counter in catalogue.counters])
    where = dict(zip(catalogue.tailnums, catalogue.buckets, strict=True))
    expected = count_joins(((where[row.tailnum], row.tailnum) for row in bookings), seats_of_planes())
    return [
        *check_bookings(writes, bookings),
        *check_counters(writes, catalogue, bookings, revisions),
        *check_joins(expected, count_joined(shards, "bookings"), "bookings"),
    ]


def check_loaded(shards: Shards, options: CheckOptions, catalogue: Catalogue) -> list[Finding]:
    """What the load wrote, column by column, and its join in every bucket."""
    where = dict(zip(catalogue.tailnums, catalogue.buckets, strict=True))
    flights: dict[int, int] = {}
    placed: list[tuple[int, str]] = []
    for number, row in enumerate(read_flights(options.flights), start=1):
        tailnum = row[TAILNUM_AT]
        flights[number] = hash(line_of(row))
        placed.append((where.get(tailnum, -1), tailnum))
    planes = {hash(row[0].encode()): hash(line_of(row)) for row in read_planes()}
    return [
        *check_source(flights, read_flight_hashes(shards), "flights"),
        *check_source(planes, read_plane_hashes(shards), "planes"),
        *check_joins(count_joins(placed, seats_of_planes()), count_joined(shards, "flights"), "flights"),
    ]


def seats_of_planes() -> dict[str, int]:
    return {row[0]: int(row[SEATS_AT]) for row in read_planes() if row[SEATS_AT] != MISSING}


def count_operations(writes: Sequence[Write], reads: Sequence[Read]) -> dict[str, Any]:
    return {
        "writes_acknowledged": len(acknowledged(writes)),
        "writes_unknown": sum(write.outcome is Outcome.UNKNOWN for write in writes),
        "writes_failed": sum(write.outcome is Outcome.FAILED for write in writes),
        "reads": sum(read.outcome is Outcome.ACKNOWLEDGED for read in reads),
        "reads_failed": sum(read.outcome is not Outcome.ACKNOWLEDGED for read in reads),
        "kinds": {kind: sum(write.operation.kind is kind for write in writes) for kind in Kind},
    }


def count_findings(findings: Sequence[Finding]) -> dict[str, Any]:
    """`mismatches` is all that is neither a lost, nor a doubled write, nor a stale read."""
    others = set(Fault) - {Fault.LOST, Fault.DUPLICATED, Fault.STALE, Fault.JOIN_DIFFERS}
    return {
        "writes_lost": total(findings, Fault.LOST),
        "writes_duplicated": total(findings, Fault.DUPLICATED),
        "stale_strong_reads": total(findings, Fault.STALE),
        "join_mismatches": total(findings, Fault.JOIN_DIFFERS),
        "mismatches": total(findings, *others),
        "findings": [asdict(finding) for finding in findings[:SHOWN_FINDINGS]],
    }


def measure(
    writes: Sequence[Write], reads: Sequence[Read], changes: Sequence[MapChange], kills: Iterable[Kill]
) -> dict[str, Any]:
    switched = switches(changes)
    silences = {kill: find_silence(writes, changes, kill, later) for kill, later in with_next(kills)}
    spans = [(kill.at, silence[1]) for kill, silence in silences.items() if silence]
    return {
        "buckets_moved": len(switched),
        "pauses": asdict(measure_pauses(writes, switched)),
        "between_switches": asdict(measure_between_switches(writes, reads, switched)),
        "poorest_window": asdict(poorest_window((write.ended for write in acknowledged(writes)), spans)),
        "failovers": [
            {"shard": kill.shard, "seconds": silence[1] - kill.at if silence else None}
            for kill, silence in silences.items()
        ],
    }


def with_next(kills: Iterable[Kill]) -> list[tuple[Kill, float]]:
    """Each with when another one followed it."""
    ordered = sorted(kills, key=lambda kill: kill.at)
    return [(kill, min((later.at for later in ordered[place:]), default=inf)) for place, kill in enumerate(ordered, 1)]


def find_silence(
    writes: Sequence[Write], changes: Sequence[MapChange], kill: Kill, next_killed_at: float
) -> tuple[float, float] | None:
    return failover_silence(writes, owned_by(changes, kill.shard, kill.at), kill.at, next_killed_at)
