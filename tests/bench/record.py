"""One measurement, and how all of one bench are written and shown. The format is a contract (docs/benchmarks.md)."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Record:
    """`baseline` is what it was measured against in the same run; `ratio` is better the higher it is. None: no baseline."""

    metric: str
    unit: str
    value: float
    rounds: int
    note: str
    baseline: float | None = None
    ratio: float | None = None


def compare(metric: str, unit: str, values: Sequence[float], baselines: Sequence[float], note: str) -> Record:
    """Rates measured in turn with their baseline: medians, and the median of the ratios pair by pair."""
    ratio = statistics.median(value / base for value, base in zip(values, baselines, strict=True))
    value, base = statistics.median(values), statistics.median(baselines)
    return Record(metric, unit, round(value, 3), len(values), note, round(base, 3), round(ratio, 3))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1))]


def write_records(name: str, records: Sequence[Record]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n")


def show(name: str, records: Sequence[Record]) -> None:
    print(f"\n{name}")
    for r in records:
        against = "" if r.baseline is None else f"   baseline {r.baseline:,g}, ratio {r.ratio:g}"
        print(f"  {r.metric:<28} {r.value:>14,g} {r.unit:<10}{against}   ({r.rounds} rounds; {r.note})")
