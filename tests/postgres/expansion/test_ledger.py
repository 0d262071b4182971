"""The checker of the load, on planted faults: each must be found, and as what it is."""

from postgres.expansion.ledger import Found, Outcome, Read, Write, check

ROW, OTHER, TALLY = ("N1", 7), ("N2", 8), ("N1", 0)


def done(**what: tuple[tuple[str, int], ...]) -> Write:
    return Write(Outcome.ACKNOWLEDGED, **what)  # type: ignore[arg-type]


def unknown(**what: tuple[tuple[str, int], ...]) -> Write:
    return Write(Outcome.UNKNOWN, **what)  # type: ignore[arg-type]


def found(*rows: tuple[str, int], **tallies: list[int]) -> Found:
    result = Found()
    result.rows.update(rows)
    result.tallies.update({(tail, 0): values for tail, values in tallies.items()})
    return result


def test_is_clean_when_all_is_as_promised() -> None:
    writes = [done(inserted=(ROW,)), done(inserted=(OTHER,)), done(deleted=(OTHER,)), done(incremented=(TALLY, TALLY))]
    assert check(writes, [Read("N1", 2, at_least=2)], found(ROW, N1=[2])).is_clean


def test_finds_a_lost_row() -> None:
    assert check([done(inserted=(ROW,))], [], found()).lost == (ROW,)


def test_finds_a_doubled_row() -> None:
    assert check([done(inserted=(ROW,))], [], found(ROW, ROW)).doubled == (ROW,)


def test_finds_a_row_that_came_back() -> None:
    writes = [done(inserted=(ROW,)), done(deleted=(ROW,))]
    assert check(writes, [], found(ROW)).resurrected == (ROW,)


def test_finds_a_row_that_nobody_asked_for() -> None:
    assert check([], [], found(ROW)).unasked == (ROW,)


def test_finds_a_lost_increment() -> None:
    assert check([done(incremented=(TALLY, TALLY))], [], found(N1=[1])).bad_tallies


def test_finds_an_increment_done_twice() -> None:
    assert check([done(incremented=(TALLY,))], [], found(N1=[2])).bad_tallies


def test_finds_a_counter_on_two_shards() -> None:
    assert check([done(incremented=(TALLY,))], [], found(N1=[1, 1])).bad_tallies


def test_finds_a_counter_that_is_gone() -> None:
    assert check([done(incremented=(TALLY,))], [], found()).bad_tallies


def test_finds_a_stale_a_missing_and_a_too_large_read() -> None:
    reads = [Read("old", 1, at_least=2), Read("missing", None, 0), Read("scatter", 3, 2, at_most=2)]
    assert [read.subject for read in check([], reads, found()).stale] == ["old", "missing", "scatter"]


def test_finds_a_failed_write() -> None:
    assert check([Write(Outcome.FAILED, detail="why")], [], found()).failed == ("why",)


def test_lets_an_unknown_outcome_be_either() -> None:
    writes = [
        done(inserted=(OTHER,)),
        unknown(inserted=(ROW,)),
        unknown(deleted=(OTHER,)),
        unknown(incremented=(TALLY,)),
    ]
    assert check(writes, [], found(ROW, OTHER, N1=[1])).is_clean
    assert check(writes, [], found(N1=[0])).is_clean
    assert check(writes, [], found(N1=[2])).bad_tallies
