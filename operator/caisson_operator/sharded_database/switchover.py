"""A switchover on request: what the annotation asks for, whether it may be done, and what became of it. Pure.

    kubectl annotate sdb flights --overwrite caisson.dev/switchover=s0/any/7f3a      SHARD/MEMBER/REQUEST

Each request is run once. The operator cannot take the annotation away, so the id of the request in `status.switchover` is
what tells a new one from one that is over:

    (nothing) -> Requested -> Running -> Done
         |           |           +-----> Failed     Patroni gave it up, or another member leads
         +-----------+-----------------> Refused    it may not be done as things are; ask again under another id

What must hold:
- who leads, on which timeline, and who shall, is written as Requested before Patroni is asked: after a crash in between
  the next look finds the member leading on a later timeline, and that is Done, or nothing changed, and then Patroni is
  asked once more, which is harmless: it takes a request only while the leader is still the one that the request names;
- Patroni is asked only while the shard stands on the timeline that was written down.
"""

import re
from dataclasses import dataclass

from caisson_operator.api.failover_status import REQUEST_LENGTH, SwitchoverPhase, SwitchoverStatus
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from . import steps
from .observed import Observed
from .switchover_checks import choose_standby, find_refusal
from .wanted import SWITCHOVER_ANNOTATION, Wanted

ANY = "any"
WANTED_FORM = (
    "SHARD/MEMBER/REQUEST, such as s0/any/7f3a, where MEMBER is a pod's name or any, and REQUEST a new id each time"
)
REFUSED_BY_PATRONI, UNFINISHED = "SwitchoverRefused", "SwitchoverUnfinished"  # reasons with which the effect lets go
LOOK_AGAIN_SECONDS = 1.0
WRITTEN_SECONDS = 0.2  # a definition that does not know the field would never keep what is written
_FORM = re.compile(r"([a-z0-9]{1,63})/([a-z0-9][-a-z0-9]{0,252})/([A-Za-z0-9][-A-Za-z0-9._]{0,62})")


@dataclass(frozen=True, slots=True)
class Request:
    shard: str
    member: str
    id: str


def read_request(text: str) -> Request | None:
    """None for what has not the wanted form."""
    match = _FORM.fullmatch(text.strip())
    return Request(*match.groups()) if match else None


def decide_switchover(wanted: Wanted, observed: Observed) -> Decision:
    """Asks Patroni only for what is written as Requested; a refusal is told in the status, and holds nothing up."""
    status = follow_switchover(wanted, observed, Settled())
    if status is None or status.is_over:
        return Settled()
    told = f"the lead of {status.shard} moves from {status.from_member} to {status.to_member}"
    if status.phase is SwitchoverPhase.RUNNING:
        return Wait("SwitchingOver", told, LOOK_AGAIN_SECONDS)
    if status != observed.recorded.switchover:
        return Wait("SwitchoverRequested", f"{told}: written down before it is begun", WRITTEN_SECONDS)
    shard, leader, member = str(status.shard), str(status.from_member), str(status.to_member)
    return Plan(
        (steps.Checkpoint(shard), steps.SwitchOver(shard, leader, member, status.request)), "SwitchingOver", told
    )


def follow_switchover(wanted: Wanted, observed: Observed, decision: Decision) -> SwitchoverStatus | None:
    """`decision` is what was decided last: it tells what Patroni answered, where it was asked."""
    recorded, text = observed.recorded.switchover, wanted.switchover
    request = read_request(text) if text else None
    if recorded and not recorded.is_over:
        return _go_on(_check_again(recorded, request, wanted, observed), observed, decision)
    if text is None:
        return recorded
    if request is None:
        return _refuse_form(recorded, text.strip()[:REQUEST_LENGTH], observed)
    if recorded and recorded.shard and recorded.request == request.id:
        return recorded
    return _begin(request, wanted, observed)


def _refuse_form(recorded: SwitchoverStatus | None, text: str, observed: Observed) -> SwitchoverStatus:
    if recorded and recorded.request == text and not recorded.shard:
        return recorded
    message = f"the annotation {SWITCHOVER_ANNOTATION} wants {WANTED_FORM}"
    return SwitchoverStatus(request=text, phase=SwitchoverPhase.REFUSED, message=message, at=observed.now)


def _begin(request: Request, wanted: Wanted, observed: Observed) -> SwitchoverStatus:
    target = request.member if request.member != ANY else choose_standby(request.shard, observed)
    refusal = find_refusal(request.shard, target, wanted, observed)
    state = observed.objects.patroni.get(request.shard)
    status = SwitchoverStatus(
        request=request.id,
        shard=request.shard,
        from_member=state.leader if state and state.leader else None,
        to_member=target or None,
        phase=SwitchoverPhase.REQUESTED,
        at=observed.now,
    )
    if refusal:
        return _end(status, SwitchoverPhase.REFUSED, refusal, observed)
    timeline = observed.shards[request.shard].timeline
    return status.model_copy(update={"timeline_before": timeline, "message": "about to begin"})


def _check_again(
    recorded: SwitchoverStatus, request: Request | None, wanted: Wanted, observed: Observed
) -> SwitchoverStatus:
    """What was right when it was written down may not be any more; once Patroni has been asked it is Patroni's."""
    is_patronis = (
        _has_moved(recorded, observed) or _is_asked(recorded, observed) or _is_without_leader(recorded, observed)
    )
    if recorded.phase is not SwitchoverPhase.REQUESTED or is_patronis:
        return recorded
    if request is None or request.id != recorded.request:
        return _end(recorded, SwitchoverPhase.REFUSED, "its annotation was taken away before it had begun", observed)
    refusal = find_refusal(str(recorded.shard), str(recorded.to_member), wanted, observed)
    return _end(recorded, SwitchoverPhase.REFUSED, refusal, observed) if refusal else recorded


def _go_on(status: SwitchoverStatus, observed: Observed, decision: Decision) -> SwitchoverStatus:
    """What became of a request that was written down."""
    if status.is_over:
        return status
    if _has_moved(status, observed):
        return _judge_end(status, observed)
    if _is_asked(status, observed) or _is_without_leader(status, observed):
        return _run(status, "Patroni moves the lead", observed)
    answer = decision.message if isinstance(decision, Wait) else ""
    if isinstance(decision, Wait) and decision.reason == REFUSED_BY_PATRONI:
        return _end(status, SwitchoverPhase.REFUSED, answer, observed)
    if isinstance(decision, Wait) and decision.reason == UNFINISHED:
        return _run(status, answer, observed)
    if status.phase is SwitchoverPhase.RUNNING:
        message = f"Patroni gave it up, and {status.from_member} leads as before; its log says why ({status.message})"
        return _end(status, SwitchoverPhase.FAILED, message, observed)
    return status


def _has_moved(status: SwitchoverStatus, observed: Observed) -> bool:
    """Whether the shard stands on a later timeline than when it was asked for, by its server or by its history."""
    shard, state = observed.shards.get(str(status.shard)), observed.objects.patroni.get(str(status.shard))
    latest = max(shard.timeline if shard else 0, state.timeline if state else 0)
    return status.timeline_before is not None and latest > status.timeline_before


def _judge_end(status: SwitchoverStatus, observed: Observed) -> SwitchoverStatus:
    """By the history where it tells; before it is written, by the leader's record."""
    state = observed.objects.patroni.get(str(status.shard))
    lines = state.history if state else ()
    promoted = next((line.new_leader for line in lines if line.timeline == status.timeline_before), "")
    promoted = promoted or (state.leader if state else "")
    if promoted == status.to_member:
        message = f"{status.to_member} leads {status.shard} in place of {status.from_member}"
        return _end(status, SwitchoverPhase.DONE, message, observed)
    if promoted in ("", status.from_member):
        return _run(status, "the timeline has risen; who leads is not written yet", observed)
    return _end(status, SwitchoverPhase.FAILED, f"{promoted} was promoted, not {status.to_member}", observed)


def _is_asked(status: SwitchoverStatus, observed: Observed) -> bool:
    state = observed.objects.patroni.get(str(status.shard))
    return state is not None and state.is_asked_to_switch


def _is_without_leader(status: SwitchoverStatus, observed: Observed) -> bool:
    """Nobody holds the lead, or the new one already, on a timeline that has not risen yet."""
    state = observed.objects.patroni.get(str(status.shard))
    return state is not None and state.leader != status.from_member


def _run(status: SwitchoverStatus, message: str, observed: Observed) -> SwitchoverStatus:
    if status.phase is SwitchoverPhase.RUNNING:
        return status
    return _end(status, SwitchoverPhase.RUNNING, message, observed)


def _end(status: SwitchoverStatus, phase: SwitchoverPhase, message: str, observed: Observed) -> SwitchoverStatus:
    return status.model_copy(update={"phase": phase, "message": message[:2000], "at": observed.now})
