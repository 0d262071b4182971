"""What the members of a replicated Redis must be told when their number changes. Pure.

More: the pods come first, and Sentinels find each other through the primary; then how many make a majority is raised.
Fewer: those that go are kept from being promoted, the primary hands over if it is one of them, the pods go
(provisioning.py), the Sentinels forget them one at a time, and then the majority is lowered.
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait, decide_first

from . import steps
from .observed import Observed, Pod, RedisView, find_leader
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0
PRIORITY = 100  # Redis' own default


def decide_redis(wanted: Wanted, observed: Observed) -> Decision:
    if not wanted.is_replicated:
        return Settled()
    return decide_first(
        lambda: _leave(wanted, observed),
        lambda: _forget(wanted, observed),
        lambda: _tune(wanted, observed),
    )


def _leave(wanted: Wanted, observed: Observed) -> Decision:
    leader = find_leader(wanted, observed)
    pod = observed.pod(leader) if leader else None
    if pod is None or pod.ordinal < wanted.members:
        return Settled()
    staying = [each for each in observed.pods if each.ordinal < wanted.members and each.is_ready]
    if len(staying) < wanted.majority:
        told = f"{pod.name} is to go and leads; first {wanted.majority} of those that stay must be ready"
        return Wait("WaitingForMembers", told, LOOK_AGAIN_SECONDS)
    leaving = [each for each in observed.pods if each.ordinal >= wanted.members and each.name in observed.redis]
    kept_back = tuple(steps.SetPriority(each.address, 0) for each in leaving)
    plan = (*kept_back, steps.HandOver(staying[0].address))
    return Plan(plan, "HandingOver", f"{pod.name} is to go, and hands over to a member that stays")


def _forget(wanted: Wanted, observed: Observed) -> Decision:
    """One at a time, each once the others know each other and the replicas: a majority of Sentinels must stay able to agree."""
    others = wanted.members - 1
    if any(pod.ordinal >= wanted.members for pod in observed.pods):
        return Settled()
    found = list(_sentinels(observed))
    too_many = [(pod, view) for pod, view in found if view.other_sentinels > others or view.known_replicas > others]
    if not too_many:
        return Settled()
    if any(view.other_sentinels < others or view.known_replicas < others for _, view in found):
        return Wait("SentinelsMeet", "a Sentinel has not found all of the others yet", LOOK_AGAIN_SECONDS)
    pod, _ = too_many[0]
    return Plan(
        (steps.ForgetMembers(pod.address),),
        "ForgettingMembers",
        f"the Sentinel of {pod.name} forgets those that are gone",
    )


def _tune(wanted: Wanted, observed: Observed) -> Decision:
    least = wanted.members // 2
    present = {pod.name for pod in observed.pods if pod.is_ready}
    is_whole = len(present) >= wanted.members
    due: list[steps.SetLeastReplicas | steps.SetQuorum | steps.SetPriority] = []
    for pod in observed.pods:
        view = observed.redis.get(pod.name)
        if view is None or not is_whole:
            continue
        if view.least_replicas != least:
            due.append(steps.SetLeastReplicas(pod.address, least))
        if view.priority == 0 and pod.ordinal < wanted.members:
            due.append(steps.SetPriority(pod.address, PRIORITY))
        if view.sentinel_leader and view.quorum != wanted.majority:
            due.append(steps.SetQuorum(pod.address, wanted.majority))
    return Plan(tuple(due), "Tuning", f"a majority is now {wanted.majority} of {wanted.members}") if due else Settled()


def _sentinels(observed: Observed) -> Iterator[tuple[Pod, RedisView]]:
    for pod in observed.pods:
        view = observed.redis.get(pod.name)
        if view is not None and view.sentinel_leader:
            yield pod, view
