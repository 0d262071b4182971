"""What the demo must show, each with its bound: pure, from the figures to the verdict."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

PAUSE_P99_MS = 200.0
WRITES_PER_SECOND = 200.0
WRITES_BETWEEN_SWITCHES = 500
READS_BETWEEN_SWITCHES = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What is written to build/demo.json; the names are a contract."""

    rows: int
    buckets_moved: int
    copy_rows_per_second: float
    pause_ms_p99: float
    pause_ms_max: float
    statements_failed: int
    writes_acknowledged: int
    writes_lost: int
    writes_duplicated: int
    stale_strong_reads: int
    verify_mismatches: int
    failover_seconds: float | None
    writes_unknown: int
    join_mismatches: int
    lowest_writes_per_second: float
    lowest_writes_during: str
    least_writes_between_switches: int
    least_reads_between_switches: int
    switch_gaps: int
    writes_held_up: int
    another_pod_leads: bool
    timeline_before: int
    timeline_after: int


@dataclass(frozen=True, slots=True)
class Must:
    """One demand, what was measured, and whether it holds."""

    name: str
    value: float | int | None
    bound: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the figures depend on: how much was loaded, and how much had to move."""

    rows: int
    buckets_moved: int
    switch_gaps: int


def judge(figures: Figures, wanted: Wanted) -> tuple[Must, ...]:
    """Every demand, in the order of the table."""
    return (
        exactly("rows loaded", figures.rows, wanted.rows),
        exactly("buckets moved", figures.buckets_moved, wanted.buckets_moved),
        at_most("p99 of the write pause, ms", figures.pause_ms_p99, PAUSE_P99_MS),
        at_least("writes that met a switch", figures.writes_held_up, 1),
        exactly("operations failed after retries", figures.statements_failed, 0),
        at_least("writes acknowledged", figures.writes_acknowledged, 1),
        exactly("writes lost", figures.writes_lost, 0),
        exactly("writes duplicated", figures.writes_duplicated, 0),
        exactly("strong reads of an old value", figures.stale_strong_reads, 0),
        exactly("flights joined to planes wrongly, buckets", figures.join_mismatches, 0),
        exactly("mismatches", figures.verify_mismatches, 0),
        at_least("writes/s all the way", figures.lowest_writes_per_second, WRITES_PER_SECOND),
        at_least("gaps between switch groups", figures.switch_gaps, wanted.switch_gaps),
        at_least("writes between two switches", figures.least_writes_between_switches, WRITES_BETWEEN_SWITCHES),
        at_least("strong reads between two switches", figures.least_reads_between_switches, READS_BETWEEN_SWITCHES),
        known("failover, seconds to the next write", figures.failover_seconds),
        exactly("another pod leads (1: yes)", int(figures.another_pod_leads), 1),
        at_least("timeline after the failover", figures.timeline_after, figures.timeline_before + 1),
    )


def exactly(name: str, value: int, bound: int) -> Must:
    return Must(name, value, f"= {bound}", value == bound)


def at_most(name: str, value: float, bound: float) -> Must:
    return Must(name, value, f"<= {bound:g}", value <= bound)


def at_least(name: str, value: float, bound: float) -> Must:
    return Must(name, value, f">= {bound:g}", value >= bound)


def known(name: str, value: float | None) -> Must:
    return Must(name, value, "must end", value is not None)


def render_table(figures: Figures, musts: Sequence[Must]) -> str:
    """The closing table: what is demanded with its verdict, then what is only told."""
    told = {"copied, rows/s": figures.copy_rows_per_second, "longest write pause, ms": figures.pause_ms_max,
            "outcomes unknown": figures.writes_unknown}  # fmt: skip
    lines = [f"{must.name:<44} {number(must.value):>12}  {must.bound:<9} {verdict(must)}" for must in musts]
    lines += [f"{name:<44} {number(value):>12}" for name, value in told.items()]
    lines.append(f"the fewest writes/s were acknowledged during {figures.lowest_writes_during}")
    return "\n".join(lines)


def number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def verdict(must: Must) -> str:
    return "ok" if must.ok else "MISSED"


def to_json(figures: Figures, musts: Sequence[Must]) -> dict[str, Any]:
    return {**asdict(figures), "musts": [asdict(must) for must in musts]}
