"""What all rounds together say, as the records of `make bench ONLY=failover`. Pure."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from bench.kept import Broken, count_broken
from bench.record import Record
from faults.counts import PROMISED, of, summarize_counts
from faults.rounds import Round
from faults.verdict import count_failed

KINDS = ("rounds", "controls", "defaults")
NAMES = {
    "pod_killed": "pod_kill", "node_killed": "node_loss", "node_cut_off": "partition", "stopped": "stop",
    "postgres_killed": "postgres_kill", "operator_and_primary_killed": "operator_and_primary",
    "cut_off_from_api_server": "api_server_cut_off", "cut_off_from_peers": "peers_cut_off",
}  # fmt: skip
"""What the figures of a fault are called, where that is not its own name."""
OPERATOR_LOST = ("operator_killed", "operator_and_primary_killed", "node_killed", "node_cut_off")


def summarize(
    rounds: Sequence[Round], controls: Sequence[Round], defaults: Sequence[Round], broken: Sequence[Broken] = ()
) -> list[Record]:
    done = zip(KINDS, (rounds, controls, defaults), strict=True)
    return [
        *(record for fault in PROMISED for record in summarize_gaps(fault, of(rounds, fault), of(defaults, fault))),
        *(
            record
            for fault in PROMISED
            for record in summarize_gaps(fault, of(defaults, fault), (), "default_patroni_")
        ),
        *summarize_takeovers(rounds),
        *summarize_stale(rounds),
        *summarize_counts(rounds, controls),
        *(count_broken(kind, len(played), broken) for kind, played in done),
    ]


def summarize_gaps(fault: str, rounds: Sequence[Round], defaults: Sequence[Round], prefix: str = "") -> list[Record]:
    """Against those of a Patroni that nobody has told anything, where it was played."""
    others = sum(round_.has_other_primary for round_ in rounds)
    promoted = [round_.promoted_seconds for round_ in rounds if round_.promoted_seconds is not None]
    after = f"; promoted after {median(promoted):.1f} s in the median" if promoted else ""
    endless = len(rounds) - len(gaps(rounds))
    without = f"; without an end in {endless}" if endless else ""
    failed = f"; {calls} calls without success" if (calls := sum(map(count_failed, rounds))) else ""
    note = f"another pod led in {others} of {len(rounds)}{after}{without}{failed}"
    return seconds(f"{prefix}{NAMES.get(fault, fault)}_gap_s", gaps(rounds), note, gaps(defaults))


def gaps(rounds: Sequence[Round]) -> list[float]:
    return [round_.gap_seconds for round_ in rounds if round_.gap_seconds is not None]


def seconds(name: str, values: Sequence[float], note: str, baselines: Sequence[float] = ()) -> list[Record]:
    """The less the better, so that the ratio is the baseline's part."""
    if not values:
        return []
    shares: dict[str, Callable[[Sequence[float]], float]] = {"p50": median, "max": max}
    records = []
    for share, of_all in shares.items():
        value = of_all(values)
        baseline = round(of_all(baselines), 2) if baselines else None
        ratio = round(of_all(baselines) / value, 2) if baselines and value else None
        records.append(Record(f"{name}_{share}", "s", round(value, 2), len(values), note, baseline, ratio))
    return records


def summarize_takeovers(rounds: Sequence[Round]) -> list[Record]:
    """Of an operator that was killed, by itself, with a primary or with its node; and of one that was asked to stop."""
    note = "from the fault's beginning to another's Lease"
    return [
        *seconds("operator_takeover_s", takeovers(rounds, OPERATOR_LOST), note),
        *seconds("operator_stop_s", takeovers(rounds, ("operator_stopped",)), note),
    ]


def takeovers(rounds: Iterable[Round], faults: Sequence[str]) -> list[float]:
    """Where the leader was not touched there is none."""
    return [r.takeover_seconds for r in rounds if r.fault in faults and r.takeover_seconds is not None]


def summarize_stale(rounds: Sequence[Round]) -> list[Record]:
    values = [round_.stale_seconds for round_ in rounds if round_.fault in ("node_cut_off", "stopped")]
    return seconds(
        "old_primary_stale_s", values, "old rows read by a plain connection to the old primary, after the promotion"
    )
