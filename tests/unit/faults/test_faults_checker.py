"""The checker is fed a true round, and then one fault at a time: it must name each, and nothing else."""

from dataclasses import replace

from faults.checker import Kind, check, gap_seconds, stale_seconds
from faults.records import PINNED, SDK, Outcome, Read, Records, Write, parse, read_line, write_line


def write(number: int, at: float, timeline: int = 1, writer: str = SDK) -> Write:
    return Write(writer, number, timeline, at, at + 0.01, Outcome.ACKNOWLEDGED)


WRITES = (
    write(1, 1.0),
    write(2, 2.0),
    write(1, 2.0, writer=PINNED),
    write(3, 6.0, timeline=2),
    write(4, 7.0, timeline=2),
)
READS = (Read(SDK, 1, 1.5, 1.6), Read(SDK, 3, 6.5, 6.6), Read(PINNED, 2, 3.0, 3.1))
TRUE = Records(WRITES, READS)
ROWS = {(w.writer, w.number): 1 for w in WRITES}
PROMOTIONS = {2: 5.0}


def kinds(records: Records = TRUE, rows: dict[tuple[str, int], int] = ROWS) -> list[Kind]:
    return [finding.kind for finding in check(records, rows, PROMOTIONS)]


def with_write(extra: Write) -> Records:
    return replace(TRUE, writes=(*WRITES, extra))


def test_finds_nothing_in_a_true_round() -> None:
    assert kinds() == []


def test_names_a_row_that_was_acknowledged_and_is_not_there() -> None:
    assert kinds(rows={**ROWS, (SDK, 2): 0}) == [Kind.LOST]
    assert kinds(rows={row: 1 for row in ROWS if row != (PINNED, 1)}) == [Kind.LOST]


def test_names_a_row_that_is_there_twice() -> None:
    assert kinds(rows={**ROWS, (SDK, 2): 2}) == [Kind.DOUBLED]


def test_does_not_ask_for_what_nobody_was_told_of() -> None:
    for outcome in (Outcome.UNKNOWN, Outcome.FAILED):
        unsure = with_write(replace(write(5, 5.5), outcome=outcome))
        assert kinds(unsure) == []
        assert kinds(unsure, {**ROWS, (SDK, 5): 1}) == []


def test_names_a_row_that_an_old_primary_acknowledged_after_the_promotion() -> None:
    late = with_write(write(2, 5.1, timeline=1, writer=PINNED))
    assert kinds(late, {**ROWS, (PINNED, 2): 1}) == [Kind.OLD_PRIMARY]


def test_leaves_a_row_alone_that_was_under_way_at_the_promotion() -> None:
    early = with_write(replace(write(2, 4.9, timeline=1, writer=PINNED), ended=5.2))
    assert kinds(early, {**ROWS, (PINNED, 2): 1}) == []


def test_names_a_strong_read_that_went_back() -> None:
    assert kinds(replace(TRUE, reads=(*READS, Read(SDK, 2, 6.5, 6.6)))) == [Kind.WENT_BACK]


def test_asks_a_read_only_for_what_was_acknowledged_before_it_began() -> None:
    assert kinds(replace(TRUE, reads=(*READS, Read(SDK, 2, 6.005, 6.6)))) == []


def test_tells_for_how_long_the_old_primary_showed_old_rows() -> None:
    stale = replace(TRUE, reads=(*READS, Read(PINNED, 2, 6.5, 6.75)))
    assert kinds(stale) == []
    assert stale_seconds(stale, PROMOTIONS) == 1.75
    assert stale_seconds(TRUE, PROMOTIONS) == 0.0


def test_measures_the_longest_silence_that_reaches_beyond_the_faults_beginning() -> None:
    assert gap_seconds(WRITES, 2.5) == 4.0
    assert gap_seconds(WRITES, 6.5) == 1.0
    assert gap_seconds(WRITES, 7.5) is None


def test_reads_back_what_was_written_and_skips_the_rest() -> None:
    lines = [*map(write_line, WRITES), "# failed: a reason", *map(read_line, READS), "W\tsdk\t5\t1\t7.0"]
    assert parse(lines) == TRUE
