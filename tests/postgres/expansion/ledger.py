"""What a load was promised, and what the shards have in the end: the rules that must hold. Pure.

A write whose outcome is unknown may have been done or not; everything else is exact:
- a row that was inserted and acknowledged is there exactly once over all shards, unless it was deleted;
- a row that was deleted and acknowledged, and one that nobody asked for, is not there;
- a counter is at least its acknowledged increments, and at most those plus the unknown ones, on one shard;
- a strong read saw at least what was acknowledged before it began, a scatter read each bucket exactly once;
- nothing failed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum

Row = tuple[str, int]  # (tailnum, seq)
Tally = tuple[str, int]  # (tailnum, writer); writer 0: the one that all share


class Outcome(Enum):
    ACKNOWLEDGED = "acknowledged"
    UNKNOWN = "unknown"
    FAILED = "failed"
    REFUSED = "refused"  # by another writer's lock, as asked for: nothing was meant to be done


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction of the load, with all that it meant to do."""

    outcome: Outcome
    inserted: tuple[Row, ...] = ()
    deleted: tuple[Row, ...] = ()
    incremented: tuple[Tally, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """One strong or scatter read: `seen` is None where the row was missing or the read failed."""

    subject: str
    seen: int | None
    at_least: int
    at_most: int | None = None

    @property
    def is_right(self) -> bool:
        if self.seen is None or self.seen < self.at_least:
            return False
        return self.at_most is None or self.seen <= self.at_most


@dataclass(slots=True)
class Found:
    """What all shards together have, read after the load has ended."""

    rows: Counter[Row] = field(default_factory=Counter)
    tallies: dict[Tally, list[int]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Findings:
    """Every breach, by its kind. None at all: `is_clean`."""

    lost: tuple[Row, ...] = ()
    doubled: tuple[Row, ...] = ()
    resurrected: tuple[Row, ...] = ()
    unasked: tuple[Row, ...] = ()
    bad_tallies: tuple[str, ...] = ()
    stale: tuple[Read, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, each.name) for each in fields(self))

    def __str__(self) -> str:
        told = ((each.name, getattr(self, each.name)) for each in fields(self))
        return "; ".join(f"{len(found)} {name}: {found[:3]}" for name, found in told if found) or "clean"


def check(writes: Sequence[Write], reads: Iterable[Read], found: Found) -> Findings:
    """Hold the promises against what is there."""
    done = [write for write in writes if write.outcome is Outcome.ACKNOWLEDGED]
    unknown = [write for write in writes if write.outcome is Outcome.UNKNOWN]
    must = _rows(done) - _deleted(done)
    may = _rows(unknown) | _deleted(unknown)
    gone = _deleted(done)
    known = must | may | gone
    return Findings(
        lost=tuple(sorted(row for row in must - may if not found.rows[row])),
        doubled=tuple(sorted(row for row, times in found.rows.items() if times > 1)),
        resurrected=tuple(sorted(row for row in gone if found.rows[row])),
        unasked=tuple(sorted(row for row in found.rows if row not in known)),
        bad_tallies=tuple(_bad_tallies(_increments(done), _increments(unknown), found.tallies)),
        stale=tuple(read for read in reads if not read.is_right),
        failed=tuple(write.detail for write in writes if write.outcome is Outcome.FAILED),
    )


def _rows(writes: Iterable[Write]) -> set[Row]:
    return {row for write in writes for row in write.inserted}


def _deleted(writes: Iterable[Write]) -> set[Row]:
    return {row for write in writes for row in write.deleted}


def _increments(writes: Iterable[Write]) -> Counter[Tally]:
    return Counter(tally for write in writes for tally in write.incremented)


def _bad_tallies(done: Counter[Tally], unknown: Counter[Tally], found: Mapping[Tally, list[int]]) -> Iterable[str]:
    for tally in sorted(done.keys() | unknown.keys() | found.keys()):
        values = found.get(tally) or [0]
        low, high = done[tally], done[tally] + unknown[tally]
        if len(values) > 1 or not low <= values[0] <= high:
            yield f"{tally}: {values}, promised {low}..{high}"
