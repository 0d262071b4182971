"""The traffic's pure parts: what is chosen, recorded and counted."""

from collections import Counter as Multiset
from random import Random

from flights.ledger import Ledger, Tally
from flights.map_watch import changes_between
from flights.operations import Catalogue, Counter, Family, Kind, Operation, choose, pick_counters, plane_of_booking
from flights.pace import ticks
from flights.records import (
    MapChange,
    Outcome,
    Read,
    Write,
    map_line,
    parse_map,
    parse_read,
    parse_write,
    read_line,
    write_line,
)

CATALOGUE = Catalogue(("N1", "N2", "N3"), (5, 6, 7), (Counter(0, "N1", 10, 5), Counter(1, "N2", 20, 6)))


def test_chooses_every_kind_in_its_share() -> None:
    random = Random(1)
    kinds = Multiset(choose(random, CATALOGUE, 0, sequence).kind for sequence in range(4000))
    assert 0.45 < kinds[Kind.INSERT] / 4000 < 0.55
    assert min(kinds[kind] for kind in Kind) > 300


def test_no_two_writers_ask_for_the_same_booking() -> None:
    operations = [choose(Random(writer), CATALOGUE, writer, n) for writer in range(8) for n in range(500)]
    bookings = [operation.booking for operation in operations if operation.booking > 0]
    assert len(bookings) == len(set(bookings))


def test_a_reader_finds_the_plane_of_a_booking_from_its_number() -> None:
    random = Random(2)
    inserts = [o for n in range(100) if (o := choose(random, CATALOGUE, 3, n)).kind is Kind.INSERT]
    assert all(o.tailnum == CATALOGUE.tailnums[plane_of_booking(o.booking, 3)] for o in inserts)


def test_picks_counters_in_every_bucket() -> None:
    flights = [(1, "N1", 0), (2, "N1", 0), (3, "N2", 0), (4, "N3", 0), (5, "", 0), (6, "N4", 1)]
    counters = pick_counters(flights, per_bucket=2)
    assert counters == (Counter(0, "N1", 1, 0), Counter(1, "N2", 3, 0), Counter(2, "N4", 6, 1))


def test_records_come_back_as_they_were_written() -> None:
    operation = Operation(Kind.PAIR, 1, 2, "N1", 5, 2_000_000_002, 0)
    for write in (Write(operation, 1.5, 2.25, Outcome.UNKNOWN), Write(operation, 1.5, 2.25, Outcome.FAILED)):
        assert parse_write(write_line(write)) == write
    read = Read(2, "", 5, "revision:0", 1.5, 2.25, Outcome.ACKNOWLEDGED, 1, 2, 3)
    assert parse_read(read_line(read)) == read
    change = MapChange(1.5, "s2", 5, 2, owned=True)
    assert parse_map(map_line(change)) == change


def test_bounds_of_a_counter_are_summed_over_all_writers() -> None:
    ledger = Ledger.create(writers=3, readers=1, counters=2)
    for writer in range(3):
        ledger.ask(Family.VERSION, 1, writer)
    ledger.acknowledge(Family.VERSION, 1, 2)
    assert (ledger.floor(Family.VERSION, 1), ledger.ceiling(Family.VERSION, 1)) == (1, 3)
    assert (ledger.floor(Family.REVISION, 1), ledger.ceiling(Family.VERSION, 0)) == (0, 0)


def test_totals_are_over_all_threads() -> None:
    ledger = Ledger.create(writers=2, readers=1, counters=1)
    ledger.count(0, Tally.WRITES)
    ledger.count(1, Tally.WRITES)
    ledger.count(2, Tally.READS_STALE)
    assert (ledger.total(Tally.WRITES), ledger.total(Tally.READS_STALE), ledger.total(Tally.READS)) == (2, 1, 0)


def test_a_stalled_thread_makes_up_for_a_second_at_most() -> None:
    now, waited = [0.0], []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        now[0] += seconds
        return len(waited) > 30

    paced = ticks(10, lambda: now[0], wait)
    next(paced)
    now[0] = 60.0
    assert sum(1 for _ in paced if now[0] < 60.05) == 11


def test_sees_what_a_shard_won_and_lost() -> None:
    changes = changes_between({1: 1, 2: 1}, {2: 1, 3: 2}, "s0", 9.0)
    assert changes == [MapChange(9.0, "s0", 3, 2, True), MapChange(9.0, "s0", 1, 1, False)]
