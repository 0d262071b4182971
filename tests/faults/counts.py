"""What must be 0 over all rounds, what a control must lose, and which rounds ended otherwise than they must. Pure."""

from collections.abc import Sequence

from bench.kept import tell_each
from bench.record import Record
from faults import quorum
from faults.checker import Kind
from faults.rounds import Round
from faults.table import FAULTS
from faults.updates import UPDATES
from faults.variants import ASYNCHRONOUS, CLOCK_FAULTS, DISK_FULL
from faults.verdict import count_failed, judge

PROMISED = {fault.name: fault for fault in (*FAULTS, *UPDATES, *CLOCK_FAULTS, DISK_FULL, quorum.GUARDED)}
CONTROLS = {"asynchronous": ASYNCHRONOUS.name, "quorum": quorum.CONTROL.name}


def summarize_counts(rounds: Sequence[Round], controls: Sequence[Round]) -> list[Record]:
    return [
        count_findings("acknowledged_lost", rounds, (Kind.LOST, Kind.OLD_PRIMARY)),
        count_findings("doubled_rows", rounds, (Kind.DOUBLED,)),
        count_findings("stale_strong_reads", rounds, (Kind.WENT_BACK,)),
        count_failed_calls("switchover_failed_statements", of(rounds, "switchover")),
        count_failed_calls("failed_statements", [done for done in rounds if not PROMISED[done.fault].may_fail]),
        count_unexpected(rounds),
        *summarize_controls(controls),
    ]


def of(rounds: Sequence[Round], fault: str) -> list[Round]:
    return [round_ for round_ in rounds if round_.fault == fault]


def count_findings(name: str, rounds: Sequence[Round], kinds: Sequence[Kind]) -> Record:
    acknowledged = sum(round_.acknowledged for round_ in rounds)
    note = f"of {acknowledged} rows acknowledged through the SDK"
    return Record(name, "rows", sum_findings(rounds, kinds), len(rounds), note)


def sum_findings(rounds: Sequence[Round], kinds: Sequence[Kind]) -> int:
    return sum(finding.kind in kinds for round_ in rounds for finding in round_.findings)


def count_failed_calls(name: str, rounds: Sequence[Round]) -> Record:
    """Of rounds in which none may fail."""
    reads = sum(round_.failed_reads is not None for round_ in rounds)
    note = f"of db.run with a key, failed or of unknown outcome, and of strong reads in {reads} of the rounds"
    return Record(name, "calls", sum(map(count_failed, rounds)), len(rounds), note)


def count_unexpected(rounds: Sequence[Round]) -> Record:
    faults = [done.fault for done in rounds if judge(PROMISED[done.fault], done)]
    return Record("rounds_unexpected", "rounds", len(faults), len(rounds), f"ended otherwise: {tell_each(faults)}")


def summarize_controls(controls: Sequence[Round]) -> list[Record]:
    """Each for itself, and the least of those that were played: a control that loses nothing is not made good by another."""
    each = [
        count_findings(f"control_lost_{name}", played, (Kind.LOST,))
        for name, fault in CONTROLS.items()
        if (played := of(controls, fault))
    ]
    least = min((record.value for record in each), default=0)
    told = tell_each(name for name, fault in CONTROLS.items() for _ in of(controls, fault))
    return [Record("control_lost", "rows", least, len(controls), f"the least of those played: {told}"), *each]
