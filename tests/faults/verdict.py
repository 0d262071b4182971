"""Whether a round ended as its fault must end. Pure. What a round of an earlier state of the code did not record is not judged."""

from faults.fault import WRITES_WAIT, Expected, Fault
from faults.rounds import Round


def judge(fault: Fault, done: Round) -> list[str]:
    """What came out otherwise, for people; empty where all is as it must be."""
    return [
        *(f"{finding.kind}: {finding.what}" for finding in done.findings),
        *judge_application(fault, done),
        *(judge_move(fault, done) if fault.expected is Expected.MOVES else judge_rest(fault, done)),
    ]


def judge_application(fault: Fault, done: Round) -> list[str]:
    complaints = []
    if not done.acknowledged:
        complaints.append("the application was told of no row")
    if not fault.may_fail and count_failed(done):
        reads = done.failed_reads or 0
        complaints.append(f"{done.failed} writes failed, {done.unknown} are unknown, {reads} strong reads failed")
    return complaints


def judge_move(fault: Fault, done: Round) -> list[str]:
    complaints = []
    if done.came is not Expected.MOVES:
        complaints.append(f"expected was that {fault.expected}, and {done.came}")
    if done.promotions is not None and done.promotions < fault.promotions:
        complaints.append(f"promoted {done.promotions} times, and {fault.promotions} were expected")
    if not fault.same_may_lead and not done.has_other_primary:
        complaints.append("the same pod leads as before")
    return complaints


def judge_rest(fault: Fault, done: Round) -> list[str]:
    complaints = []
    if done.came is not fault.expected:
        complaints.append(f"expected was that {fault.expected}, and {done.came}")
    if fault.expected in {Expected.STAYS, Expected.WAITS} and not fault.may_restart and done.has_restarted:
        complaints.append("a member is another pod than before, or was started again")
    if fault.expected in WRITES_WAIT and done.gap_seconds is not None and done.gap_seconds < fault.watch_seconds:
        complaints.append(f"writes were acknowledged after {done.gap_seconds:.1f} s, and were to wait")
    return complaints


def count_failed(done: Round) -> int:
    """Calls of the application that ended without success."""
    return done.failed + done.unknown + (done.failed_reads or 0)
