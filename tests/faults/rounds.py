"""One round: a fault under the workload, what came of it, and what the checker says."""

import json
import time
import uuid
from dataclasses import asdict, dataclass

from faults import operators
from faults.checker import Finding, Kind, check, count, count_failed_reads, find_silent, gap_seconds, stale_seconds
from faults.fault import WRITES_WAIT, Expected, Fault
from faults.probes import BACK_SECONDS, Place, Probes, running
from faults.records import SDK, Outcome
from faults.stage import SHARD, Stage, Standing
from faults.table import PROMOTED_SECONDS

SAID_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Round:
    """`gap_seconds` is the longest time in which the application was told of no write; `promoted_seconds` from
    the fault's beginning to the first promotion; `takeover_seconds` from the fault's beginning
    to another operator's lead; `stale_seconds` for how long after the promotion whoever was pinned to the old primary read old rows.
    `failed`, `unknown` and `failed_reads` are the application's; `has_restarted`: a member is another pod, or was started again.
    None of the last three: the round is of a state of the code that did not record it.
    """

    fault: str
    came: Expected
    has_other_primary: bool
    gap_seconds: float | None
    promoted_seconds: float | None
    takeover_seconds: float | None
    stale_seconds: float
    acknowledged: int
    failed: int
    unknown: int
    findings: tuple[Finding, ...]
    failed_reads: int | None = None
    promotions: int | None = None
    has_restarted: bool | None = None

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Round":
        told = json.loads(line)
        findings = tuple(Finding(Kind(finding["kind"]), finding["what"]) for finding in told["findings"])
        return cls(**{**told, "came": Expected(told["came"]), "findings": findings})


def do_round(stage: Stage, fault: Fault, is_synchronous: bool = True) -> Round:
    """Raises TimedOutError where what is expected does not come about, or the shard does not stand again."""
    name = f"r{uuid.uuid4().hex[:8]}"
    operators.wait_whole()
    before, lived, leading = stage.steady(is_synchronous), stage.lives(), operators.lead()
    with running(stage.namespace, stage.image, name, choose_place(before, fault)) as probes:
        began = time.time()
        with fault.happen(stage, before):
            await_outcome(stage, before, fault, probes)
        after = stage.steady(is_synchronous)
        probes.wait_served(BACK_SECONDS)
        records = probes.records(fault.may_lose_plain)
    promotions = stage.promotions()
    promoted = {timeline: at for timeline, at in promotions.items() if at > began}
    return Round(
        fault=fault.name,
        came=Expected.MOVES if after.primary.timeline > before.primary.timeline else fault.expected,
        has_other_primary=after.primary.pod != before.primary.pod,
        gap_seconds=gap_seconds(records.writes, began),
        promoted_seconds=min(promoted.values()) - began if promoted else None,
        takeover_seconds=measure_takeover(leading, began),
        stale_seconds=stale_seconds(records, promoted),
        acknowledged=count(records.writes, SDK, Outcome.ACKNOWLEDGED),
        failed=count(records.writes, SDK, Outcome.FAILED),
        unknown=count(records.writes, SDK, Outcome.UNKNOWN),
        findings=(
            *check(records, stage.rows(name), promotions),
            *find_silent(records, began, fault.may_lose_plain),
        ),
        failed_reads=count_failed_reads(records.reads, SDK),
        promotions=after.primary.timeline - before.primary.timeline,
        has_restarted=stage.lives() != lived,
    )


def choose_place(before: Standing, fault: Fault) -> Place:
    """The plain writer goes down, or is cut off, with the primary that it sticks to."""
    beside = before.leader if fault.sees_primary else before.standby
    return Place(beside.node, before.leader.node, before.leader.address)


def await_outcome(stage: Stage, before: Standing, fault: Fault, probes: Probes) -> None:
    """Nobody must be promoted for as long as somebody might be wrongly; that nobody was, is seen afterwards."""
    if fault.expected is Expected.MOVES:
        last = before.primary.timeline + fault.promotions
        stage.database.wait_primary(SHARD, PROMOTED_SECONDS, lambda seen: seen.timeline >= last)
    else:
        time.sleep(fault.watch_seconds)
    if fault.says:
        stage.database.wait_condition(fault.says.condition, fault.says.status, SAID_SECONDS, fault.says.reason)
    if fault.expected not in WRITES_WAIT:
        probes.wait_served(BACK_SECONDS)


def measure_takeover(before: operators.Lead | None, began: float) -> float | None:
    after = operators.lead()
    if before is None or after is None or after.term == before.term:
        return None
    return after.since - began
