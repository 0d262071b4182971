"""A switchover that the operator itself wants, before a member is restarted or its node is drained. Pure.

The wish follows from what is there, and is gone once another member leads: after a crash it is merely found again. Patroni
takes the same wish twice only while the leader that it names still leads. One that came to nothing is not repeated at once,
since each attempt may cost a pause; after a crash of the operator it may be.

Before it is begun the status says who leads, that the lead is to move, and who has every commit of it: afterwards nothing
else tells why the leader changed and what is lost, least of all to an operator that has taken over meanwhile.
"""

from dataclasses import dataclass
from datetime import timedelta

from caisson_operator.core.decisions import Plan, Wait

from . import steps
from .observed import Observed
from .patroni_state import PatroniState
from .switchover_checks import choose_standby, find_refusal
from .wanted import Wanted

REST_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 2.0
WRITTEN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Preparing(Wait):
    """The status is to say that the lead of `shard` moves on request; once it does, Patroni is asked."""

    shard: str


def name_own_request(shard: str, timeline: int) -> str:
    """One for each leadership, and none that a person could write."""
    return f"operator/{shard}/{timeline}"


def decide_handover(shard: str, wanted: Wanted, observed: Observed, why: str) -> Plan | Wait:
    """`why` is told with it. It waits where it cannot be done, and says what stands against it."""
    state, target = observed.objects.patroni.get(shard), choose_standby(shard, observed)
    if state and state.is_asked_to_switch:
        return Wait("SwitchingOver", f"{shard}: Patroni moves the lead ({why})", LOOK_AGAIN_SECONDS)
    refusal = find_refusal(shard, target, wanted, observed)
    if refusal or state is None:
        return Wait("SwitchoverNotPossible", f"{why}, but {refusal}", LOOK_AGAIN_SECONDS)
    request = name_own_request(shard, observed.shards[shard].timeline)
    if is_recent(request, observed, REST_SECONDS):
        told = f"{why}; a switchover was tried a moment ago and {state.leader} still leads, its log says why"
        return Wait("SwitchoverResting", told, LOOK_AGAIN_SECONDS)
    if not _is_written(state, target, shard, observed):
        told = f"{why}: who leads {shard}, and that {target} may, is written down first"
        return Preparing("SwitchoverPrepared", told, WRITTEN_SECONDS, shard)
    told = f"the lead of {shard} moves from {state.leader} to {target}: {why}"
    return Plan(
        (steps.Checkpoint(shard), steps.SwitchOver(shard, state.leader, target, request)), "SwitchingOver", told
    )


def _is_written(state: PatroniState, target: str, shard: str, observed: Observed) -> bool:
    """Of an asynchronous shard nobody is said to have every commit."""
    written = observed.recorded.leaders.get(shard)
    expected = target if observed.objects.is_synchronous(shard) else None
    told = written and (written.member, written.synchronous_standby, written.is_requested)
    return told == (state.leader, expected, True)


def is_recent(request: str, observed: Observed, seconds: float) -> bool:
    asked_at = observed.asked_at.get(request)
    return asked_at is not None and observed.now - asked_at < timedelta(seconds=seconds)
