"""Judges a round by what its probes recorded and what the shard has in the end. Pure.

What must hold of `synchronous` and `strict`, whatever happens:
- every row that was acknowledged is there, and once;
- nobody who began to write on an old timeline after a newer one had begun is told that it is done;
- a strong read through the SDK shows what had been acknowledged through the SDK before the read began.

And of the probes themselves: each was at work before the fault and afterwards. What nobody tried is not what held.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from math import inf

from faults.records import PINNED, SDK, Outcome, Read, Records, Write

Rows = Mapping[tuple[str, int], int]
"""How often each (writer, number) is in the table."""
Promotions = Mapping[int, float]
"""When each timeline began."""


class Kind(StrEnum):
    LOST = "an acknowledged row is not there"
    DOUBLED = "a row is there more than once"
    OLD_PRIMARY = "an old primary acknowledged after its successor's promotion"
    WENT_BACK = "a strong read went back"
    SILENT = "a probe was not at work, so that it proves nothing"


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    what: str


def check(records: Records, rows: Rows, promotions: Promotions) -> list[Finding]:
    return [
        *find_lost(records.writes, rows),
        *find_doubled(rows),
        *find_old_primaries(records.writes, promotions),
        *find_reads_that_went_back(records),
    ]


def acknowledged(writes: Iterable[Write]) -> list[Write]:
    return [write for write in writes if write.outcome is Outcome.ACKNOWLEDGED]


def find_lost(writes: Iterable[Write], rows: Rows) -> Iterator[Finding]:
    for write in acknowledged(writes):
        if not rows.get((write.writer, write.number)):
            yield Finding(Kind.LOST, str(write))


def find_doubled(rows: Rows) -> Iterator[Finding]:
    for row, count in rows.items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"{row}: {count} times")


def find_old_primaries(writes: Iterable[Write], promotions: Promotions) -> Iterator[Finding]:
    for write in acknowledged(writes):
        began = [at for timeline, at in promotions.items() if timeline > write.timeline]
        if began and write.started > min(began):
            yield Finding(Kind.OLD_PRIMARY, f"{write}, {write.started - min(began):.3f} s after the promotion")


def find_reads_that_went_back(records: Records) -> Iterator[Finding]:
    for read, floor in stale_reads(records, SDK):
        yield Finding(Kind.WENT_BACK, f"{read}, and {floor} had been acknowledged")


def find_silent(records: Records, began: float, may_lose_plain: bool) -> Iterator[Finding]:
    """The application was answered before the fault and since; the plain writer was told of a row before it, and went on to try."""
    writes = [write for write in records.writes if write.writer == SDK]
    reads = [read for read in records.reads if read.reader == SDK]
    plain = [write for write in records.writes if write.writer == PINNED]
    is_at_work = {
        "no write before the fault": has_acknowledged(writes, until=began),
        "no strong read before the fault": has_acknowledged(reads, until=began),
        "no write since the fault": has_acknowledged(writes, since=began),
        "no strong read since the fault": has_acknowledged(reads, since=began),
        "no plain write before the fault": may_lose_plain or has_acknowledged(plain, until=began),
        "no plain write since the fault": may_lose_plain or any(write.ended > began for write in plain),
    }
    return (Finding(Kind.SILENT, what) for what, is_so in is_at_work.items() if not is_so)


def has_acknowledged(calls: Iterable[Write | Read], since: float = -inf, until: float = inf) -> bool:
    """One that was begun after `since` and done before `until`."""
    told = [call for call in calls if call.outcome is Outcome.ACKNOWLEDGED]
    return any(call.started > since and call.ended < until for call in told)


def stale_reads(records: Records, reader: str) -> list[tuple[Read, int]]:
    """Those that show less than had been acknowledged through the SDK before they began, with what that was."""
    writes = sorted((w for w in acknowledged(records.writes) if w.writer == SDK), key=lambda write: write.ended)
    ends, highest = [write.ended for write in writes], list(accumulate((write.number for write in writes), max))
    stale = []
    for read in records.reads:
        before = bisect_left(ends, read.started)
        is_answered = read.reader == reader and read.outcome is Outcome.ACKNOWLEDGED
        if is_answered and before and read.value < highest[before - 1]:
            stale.append((read, highest[before - 1]))
    return stale


def stale_seconds(records: Records, promotions: Promotions) -> float:
    """For how long after the promotion whoever stuck to the old primary was shown old rows; 0 where nobody was."""
    ended = [read.ended for read, _ in stale_reads(records, PINNED)]
    return max((max(ended) - at for at in promotions.values() if ended), default=0.0)


def gap_seconds(writes: Iterable[Write], since: float) -> float | None:
    """The longest time without an acknowledgement through the SDK of which a part lies after `since`; None: it lasts."""
    ends = sorted(write.ended for write in acknowledged(writes) if write.writer == SDK)
    around = [later - earlier for earlier, later in pairwise(ends) if later > since]
    return max(around, default=None)


def count(writes: Sequence[Write], writer: str, outcome: Outcome) -> int:
    return sum(write.writer == writer and write.outcome is outcome for write in writes)


def count_failed_reads(reads: Sequence[Read], reader: str) -> int:
    return sum(read.reader == reader and read.outcome is not Outcome.ACKNOWLEDGED for read in reads)
