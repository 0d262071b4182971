"""What all rounds together say, as the records of `make bench ONLY=failover`. Pure."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from bench.record import Record
from faults.checker import Kind
from faults.rounds import Round

GAPS = {
    "pod_kill": "pod_killed", "node_loss": "node_killed", "partition": "node_cut_off", "stop": "stopped",
    "switchover": "switchover", "postgres_kill": "postgres_killed", "two_in_a_row": "two_in_a_row",
    "operator_and_primary": "operator_and_primary_killed", "api_server_away": "api_server_away",
    "api_server_cut_off": "cut_off_from_api_server", "peers_cut_off": "cut_off_from_peers",
}  # fmt: skip
OPERATOR_LOST = ("operator_killed", "operator_and_primary_killed", "node_killed", "node_cut_off")
LOST, STALE = (Kind.LOST, Kind.OLD_PRIMARY), (Kind.WENT_BACK,)


def summarize(rounds: Sequence[Round], controls: Sequence[Round], defaults: Sequence[Round]) -> list[Record]:
    return [
        *(record for name, fault in GAPS.items() for record in summarize_gaps(name, of(rounds, fault))),
        *summarize_gaps("default_patroni_node_loss", of(defaults, "node_killed")),
        *summarize_gaps("default_patroni_stop", of(defaults, "stopped")),
        *summarize_takeovers(rounds),
        *summarize_stale(rounds),
        count_findings("acknowledged_lost", rounds, LOST),
        count_findings("stale_strong_reads", rounds, STALE),
        count_failed(rounds),
        count_findings("control_lost", controls, (Kind.LOST,)),
    ]


def of(rounds: Iterable[Round], fault: str) -> list[Round]:
    return [round_ for round_ in rounds if round_.fault == fault]


def summarize_gaps(name: str, rounds: Sequence[Round]) -> list[Record]:
    gaps = [round_.gap_seconds for round_ in rounds if round_.gap_seconds is not None]
    others = sum(round_.has_other_primary for round_ in rounds)
    promoted = [round_.promoted_seconds for round_ in rounds if round_.promoted_seconds is not None]
    after = f"; promoted after {median(promoted):.1f} s in the median" if promoted else ""
    note = f"another pod led in {others} of {len(rounds)}{after}"
    return seconds(f"{name}_gap_s", gaps, note)


def seconds(name: str, values: Sequence[float], note: str) -> list[Record]:
    if not values:
        return []
    shares: dict[str, Callable[[Sequence[float]], float]] = {"p50": median, "max": max}
    return [Record(f"{name}_{share}", "s", round(of(values), 2), len(values), note) for share, of in shares.items()]


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


def count_findings(name: str, rounds: Sequence[Round], kinds: Sequence[Kind]) -> Record:
    found = sum(finding.kind in kinds for round_ in rounds for finding in round_.findings)
    acknowledged = sum(round_.acknowledged for round_ in rounds)
    return Record(name, "rows", found, len(rounds), f"of {acknowledged} rows acknowledged through the SDK")


def count_failed(rounds: Sequence[Round]) -> Record:
    found = sum(round_.failed + round_.unknown for round_ in of(rounds, "switchover"))
    return Record(
        "switchover_failed_statements", "calls", found, len(of(rounds, "switchover")), "of db.run, with a key"
    )
