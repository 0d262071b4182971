"""The checker is fed a true round, and then one fault at a time: it must name each, and nothing else."""

from dataclasses import replace

from faults.checker import Kind, check, count_failed_reads, find_silent, gap_seconds, stale_seconds
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


def test_asks_nothing_of_a_read_that_failed_and_counts_it() -> None:
    failed = replace(
        TRUE, reads=(*READS, Read(SDK, 0, 6.5, 6.6, Outcome.FAILED), Read(PINNED, 0, 6.5, 6.6, Outcome.FAILED))
    )
    assert kinds(failed) == []
    assert count_failed_reads(failed.reads, SDK) == 1
    assert count_failed_reads(TRUE.reads, SDK) == 0


LATE = write(2, 5.5, writer=PINNED)
AT_WORK = with_write(replace(LATE, outcome=Outcome.UNKNOWN))


def silent(records: Records, may_lose_plain: bool = False) -> list[str]:
    return [finding.what for finding in find_silent(records, 4.0, may_lose_plain)]


def test_finds_nothing_where_each_probe_was_at_work_before_the_fault_and_since() -> None:
    assert silent(AT_WORK) == []


def test_names_a_plain_writer_that_was_not_at_work() -> None:
    assert silent(TRUE) == ["no plain write since the fault"]
    without = replace(AT_WORK, writes=tuple(w for w in AT_WORK.writes if w.writer == SDK))
    assert silent(without) == ["no plain write before the fault", "no plain write since the fault"]
    assert silent(without, may_lose_plain=True) == []


def test_names_an_application_that_was_not_answered() -> None:
    assert silent(replace(AT_WORK, reads=READS[:1])) == ["no strong read since the fault"]
    failed = tuple(replace(read, outcome=Outcome.FAILED) for read in READS)
    assert silent(replace(AT_WORK, reads=failed)) == [
        "no strong read before the fault",
        "no strong read since the fault",
    ]
    early = tuple(w for w in AT_WORK.writes if w.writer == PINNED or w.started < 4.0)
    assert silent(replace(AT_WORK, writes=early)) == ["no write since the fault"]


def test_reads_back_what_was_written_and_skips_the_rest() -> None:
    lines = [*map(write_line, WRITES), "# failed: a reason", *map(read_line, READS), "W\tsdk\t5\t1\t7.0"]
    assert parse(lines) == TRUE
    failed = Read(SDK, 0, 6.5, 6.6, Outcome.FAILED)
    assert parse([read_line(failed)]).reads == (failed,)
