"""Nodes that are being drained, and the primaries on them. Pure.

Whoever drains a node cordons it first. A primary there hands over to its standby on another node before its eviction is
admitted: until then its PodDisruptionBudget refuses that, and the drain tries again. As a standby it may be evicted.
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from .handover import Preparing, decide_handover
from .observed import Observed
from .switchover_checks import choose_standby
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0


def decide_drains(wanted: Wanted, observed: Observed) -> Decision:
    """What can be done at once, and no more: whatever else is due must not wait for a node."""
    decisions = _decide_each(wanted, observed)
    return next((each for each in decisions if _is_under_way(each)), Settled())


def wait_for_drains(wanted: Wanted, observed: Observed) -> Decision:
    """Nothing wakes the operator when a standby becomes fit to lead."""
    told = "; ".join(each.message for each in _decide_each(wanted, observed))
    return Wait("NodeDraining", told[:1800], LOOK_AGAIN_SECONDS) if told else Settled()


def _is_under_way(decision: Plan | Wait) -> bool:
    return isinstance(decision, Plan | Preparing) or decision.reason == "SwitchingOver"


def _decide_each(wanted: Wanted, observed: Observed) -> Iterator[Plan | Wait]:
    """For each shard whose leader is on such a node. With one member nobody could take over, and its eviction is admitted."""
    for pod in observed.objects.pods:
        is_due = pod.node in observed.objects.cordoned and observed.objects.is_leader(pod)
        if not is_due or wanted.members == 1 or pod.shard not in wanted.shards:
            continue
        target = observed.objects.pod(choose_standby(pod.shard, observed))
        if target and target.node in observed.objects.cordoned:
            told = f"{pod.name} is on {pod.node}, which is being drained, and so is {target.node} with {target.name}"
            yield Wait("StandbyDraining", told, LOOK_AGAIN_SECONDS)
            continue
        yield decide_handover(pod.shard, wanted, observed, f"{pod.node} with {pod.name} is being drained")
