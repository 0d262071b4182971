"""The checker is fed a true history, and then one fault at a time: it must name each, and nothing else."""

from dataclasses import replace

import pytest

from flights.checker import (
    BookingRow,
    Fault,
    Finding,
    RevisionRow,
    check_bookings,
    check_counters,
    check_map,
    check_reads,
)
from flights.operations import Catalogue, Counter, Kind, Operation
from flights.records import MapChange, Outcome, Read, Write

COUNTER = Counter(index=0, tailnum="N14228", flight_id=7, bucket=3)
CATALOGUE = Catalogue(tailnums=("N14228",), buckets=(3,), counters=(COUNTER,))
INSERT = Operation(Kind.INSERT, writer=0, sequence=0, tailnum="N14228", bucket=3, booking=1_000_000_000)
INCREMENT = Operation(Kind.INCREMENT, writer=0, sequence=1, tailnum="N14228", bucket=3, counter=0)
UPSERT = Operation(Kind.UPSERT, writer=0, sequence=2, tailnum="N14228", bucket=3, booking=-1, counter=0)
PAIR = Operation(Kind.PAIR, writer=0, sequence=3, tailnum="N14228", bucket=3, booking=1_000_000_003, counter=0)
INSERTED = BookingRow("s0", "N14228", 1_000_000_000, 1)
UPSERTED = BookingRow("s0", "N14228", -1, 1)
PAIRED = BookingRow("s0", "N14228", 1_000_000_003, 1)
TRUE_READ = Read(0, "N14228", 3, "revision:0", 1.0, 1.1, Outcome.ACKNOWLEDGED, floor=5, value=6, ceiling=7)


def ended(operation: Operation, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Write:
    return Write(operation, started=1.0, ended=1.01, outcome=outcome)


def faults(findings: list[Finding]) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.count) for finding in findings]


def check_counts(writes: list[Write], version: list[BookingRow], revision: list[int]) -> list[tuple[Fault, int]]:
    revisions = [RevisionRow(f"s{shard}", COUNTER.flight_id, value) for shard, value in enumerate(revision)]
    return faults(check_counters(writes, CATALOGUE, version, revisions))


def test_finds_nothing_in_a_true_history() -> None:
    writes = [ended(INSERT), ended(INCREMENT), ended(UPSERT), ended(PAIR)]
    assert check_bookings(writes, [INSERTED, PAIRED, UPSERTED]) == []
    assert check_counts(writes, [INSERTED, PAIRED, UPSERTED], [2]) == []


def test_names_an_acknowledged_booking_that_is_on_no_shard() -> None:
    assert faults(check_bookings([ended(INSERT), ended(PAIR)], [PAIRED])) == [(Fault.LOST, 1)]


def test_names_a_booking_that_is_on_two_shards() -> None:
    rows = [INSERTED, replace(INSERTED, shard="s2")]
    assert faults(check_bookings([ended(INSERT)], rows)) == [(Fault.DUPLICATED, 1)]


@pytest.mark.parametrize("rows", [[], [INSERTED]], ids=["absent", "present"])
def test_counts_an_unknown_booking_as_neither_kept_nor_broken(rows: list[BookingRow]) -> None:
    assert check_bookings([ended(INSERT, Outcome.UNKNOWN)], rows) == []


def test_names_a_booking_that_failed_and_is_there_nevertheless() -> None:
    assert faults(check_bookings([ended(INSERT, Outcome.FAILED)], [INSERTED])) == [(Fault.UNASKED, 1)]


def test_names_a_booking_that_nobody_asked_for() -> None:
    assert faults(check_bookings([], [INSERTED])) == [(Fault.UNASKED, 1)]


def test_names_a_booking_with_values_that_nobody_wrote() -> None:
    assert faults(check_bookings([ended(INSERT)], [replace(INSERTED, version=2)])) == [(Fault.UNASKED, 1)]


def test_counts_each_increment_that_was_lost() -> None:
    writes = [ended(INCREMENT), ended(PAIR), ended(INCREMENT)]
    assert check_counts(writes, [], [1]) == [(Fault.LOST, 2)]


def test_counts_an_increment_that_was_applied_twice() -> None:
    assert check_counts([ended(INCREMENT)], [], [2]) == [(Fault.DUPLICATED, 1)]


def test_names_an_upsert_that_was_applied_twice() -> None:
    assert check_counts([ended(UPSERT)], [replace(UPSERTED, version=2)], [0]) == [(Fault.DUPLICATED, 1)]


def test_names_a_counter_that_two_shards_have() -> None:
    assert check_counts([ended(INCREMENT)], [], [1, 0]) == [(Fault.DUPLICATED, 1)]


@pytest.mark.parametrize("revision", [1, 2])
def test_lets_an_unknown_increment_be_done_or_not(revision: int) -> None:
    assert check_counts([ended(INCREMENT), ended(INCREMENT, Outcome.UNKNOWN)], [], [revision]) == []


def test_names_an_increment_that_failed_and_was_done() -> None:
    assert check_counts([ended(INCREMENT, Outcome.FAILED)], [], [1]) == [(Fault.DUPLICATED, 1)]


def test_names_a_revision_of_a_flight_that_nobody_counts_on() -> None:
    strange = [RevisionRow("s0", COUNTER.flight_id, 0), RevisionRow("s0", 8, 1)]
    assert faults(check_counters([], CATALOGUE, [], strange)) == [(Fault.UNASKED, 1)]


def test_finds_nothing_in_a_read_within_its_bounds() -> None:
    assert check_reads([TRUE_READ]) == []


def test_names_a_read_of_an_old_value() -> None:
    assert faults(check_reads([TRUE_READ, replace(TRUE_READ, value=4)])) == [(Fault.STALE, 1)]


def test_names_a_read_of_a_value_that_nobody_could_have_written_yet() -> None:
    assert faults(check_reads([replace(TRUE_READ, value=8)])) == [(Fault.AHEAD, 1)]


def test_does_not_judge_a_read_that_failed() -> None:
    assert check_reads([replace(TRUE_READ, value=0, outcome=Outcome.FAILED)]) == []


def test_accepts_a_bucket_that_moves_at_a_higher_epoch() -> None:
    moves = [
        MapChange(1.0, "s0", 3, 1, True),
        MapChange(2.0, "s0", 3, 1, False),
        MapChange(2.1, "s2", 3, 2, True),
    ]
    assert check_map(moves) == []


def test_names_two_owners_of_one_epoch() -> None:
    claims = [MapChange(1.0, "s0", 3, 2, True), MapChange(1.1, "s1", 3, 2, True)]
    assert faults(check_map(claims)) == [(Fault.TWO_OWNERS, 1)]


def test_names_an_epoch_that_fell() -> None:
    claims = [MapChange(1.0, "s0", 3, 2, True), MapChange(1.1, "s0", 3, 1, True)]
    assert faults(check_map(claims)) == [(Fault.EPOCH_FELL, 1)]
