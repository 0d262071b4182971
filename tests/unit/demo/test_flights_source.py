"""The loaded tables against the files that they came from."""

from flights.checker import Fault
from flights.dataset import FLIGHT_COLUMNS, PLANE_COLUMNS, TAILNUM_AT, as_values, flight_rows, read_flights, read_planes
from flights.source import LeafCount, check_joins, check_source, count_joins

FIRST_ROWS = 1000


def test_reads_the_real_data_set() -> None:
    flights = list(read_flights())
    planes = {row[0] for row in read_planes()}
    assert len(flights) == 336_776
    assert len(planes) == 3_322
    assert sum(row[TAILNUM_AT] == "" for row in flights) == 2_512
    assert sum(row[TAILNUM_AT] not in planes for row in flights) == 52_606


def test_gives_each_flight_its_row_number_and_every_column() -> None:
    rows = list(flight_rows(FIRST_ROWS))
    assert [row[-1] for row in rows] == list(range(1, FIRST_ROWS + 1))
    assert {len(row) for row in rows} == {len(FLIGHT_COLUMNS) + 1}


def test_stores_what_is_missing_as_null_but_for_the_key() -> None:
    assert as_values(["NA", "", "N14228"]) == [None, "", "N14228"]
    assert all(len(row) == len(PLANE_COLUMNS) for row in read_planes())


def test_finds_nothing_where_the_shards_hold_the_file() -> None:
    assert check_source({1: 11, 2: 22}, [(2, 22), (1, 11)]) == []


def test_names_a_row_that_is_lost_doubled_changed_or_foreign() -> None:
    findings = check_source({1: 11, 2: 22, 3: 33}, [(1, 11), (1, 11), (2, 20), (9, 99)])
    assert [(finding.fault, finding.subject) for finding in findings] == [
        (Fault.DUPLICATED, "flights row 1"),
        (Fault.SOURCE_DIFFERS, "flights row 2"),
        (Fault.SOURCE_DIFFERS, "flights row 9"),
        (Fault.LOST, "flights row 3"),
    ]


def test_counts_only_flights_that_have_a_plane() -> None:
    rows = [(5, "N1"), (5, "N1"), (5, "N2"), (6, ""), (7, "N9")]
    assert count_joins(rows, {"N1": 100, "N2": 20}) == {5: LeafCount(3, 220)}


def test_names_a_bucket_whose_join_differs() -> None:
    wanted, short = {5: LeafCount(3, 220), 6: LeafCount(1, 9)}, {5: LeafCount(2, 120), 6: LeafCount(1, 9)}
    assert [finding.subject for finding in check_joins(wanted, short, "flights")] == ["flights with planes in bucket 5"]
    assert [finding.fault for finding in check_joins({}, wanted, "flights")] == [Fault.JOIN_DIFFERS] * 2
