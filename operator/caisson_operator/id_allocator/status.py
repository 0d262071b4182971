"""The whole status, from what was observed. Pure."""

from caisson_operator.api.conditions import FALSE, TRUE, build_condition, build_progressing
from caisson_operator.api.id_allocator_status import AllocatorPhase, IdAllocatorStatus, ServerStatus
from caisson_operator.api.status import Binding, Condition
from caisson_operator.core.conditions import ConditionType
from caisson_operator.core.decisions import Decision, Refuse, Settled

from .clock_rollback import build_clock_rollback
from .decide import decide_backend
from .observed import Observed
from .serving import find_trouble, has_servers
from .wanted import Wanted


def build_status(wanted: Wanted, observed: Observed, decision: Decision) -> IdAllocatorStatus:
    is_bound = ("Secret", wanted.names.binding) in observed.contents
    conditions = (
        _ready(wanted, observed, decision, is_bound),
        _backend_ready(wanted, observed),
        build_progressing(decision),
        build_clock_rollback(wanted, observed),
    )
    return IdAllocatorStatus(
        phase=_summarize(conditions[0], decision, is_bound),
        conditions=conditions,
        binding=Binding(name=wanted.names.binding) if is_bound else None,
        backend=wanted.backend.name if wanted.backend else None,
        server=_build_server(wanted, observed) if has_servers(wanted, observed) else None,
    )


def _build_server(wanted: Wanted, observed: Observed) -> ServerStatus:
    counts = [pod.counts for pod in observed.pods if pod.counts]
    return ServerStatus(
        url=wanted.names.url,
        replicas=len(observed.pods),
        ready=sum(pod.is_ready for pod in observed.pods),
        certificate_ends=observed.certificate.not_after if observed.certificate else None,
        allocated=sum(each.allocated for each in counts) if counts else None,
        clock_rollbacks=sum(each.clock_rollbacks for each in counts) if counts else None,
        leased_worker_ids=max((each.leased for each in counts if each.leased is not None), default=None),
        worker_ids=max((each.worker_ids for each in counts if each.worker_ids is not None), default=None),
    )


def _ready(wanted: Wanted, observed: Observed, decision: Decision, is_bound: bool) -> Condition:
    backend = decide_backend(wanted, observed)
    if not isinstance(backend, Settled):
        return build_condition(ConditionType.READY, FALSE, backend.reason, backend.message)
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.READY, FALSE, decision.reason, decision.message)
    trouble = find_trouble(wanted, observed)
    if trouble:
        return build_condition(ConditionType.READY, FALSE, trouble.reason, trouble.message)
    if not is_bound:
        return build_condition(ConditionType.READY, FALSE, "NotBoundYet", "the binding is being made")
    if wanted.replicas and not any(pod.is_ready for pod in observed.pods):
        return build_condition(ConditionType.READY, FALSE, "NoServerReady", "no server has ids to give yet")
    return build_condition(ConditionType.READY, TRUE, "Serving", "ids can be had")


def _backend_ready(wanted: Wanted, observed: Observed) -> Condition:
    decision = decide_backend(wanted, observed)
    if wanted.backend is None:
        return build_condition(ConditionType.BACKEND_READY, TRUE, "NotNeeded", "mode uuid7 needs no store")
    if isinstance(decision, Settled):
        return build_condition(ConditionType.BACKEND_READY, TRUE, "BackendServes", f"{wanted.backend.told} serves")
    return build_condition(ConditionType.BACKEND_READY, FALSE, decision.reason, decision.message)


def _summarize(ready: Condition, decision: Decision, is_bound: bool) -> AllocatorPhase:
    if isinstance(decision, Refuse):
        return AllocatorPhase.REFUSED
    if ready.status is TRUE:
        return AllocatorPhase.READY
    return AllocatorPhase.DEGRADED if is_bound else AllocatorPhase.WAITING
