"""Members that run what is wanted no more: which is restarted next, and what it waits for. Pure.

A member is out of date when its pod was made by another template than the present one (image, resources, all that the
operator puts into a pod), or when Patroni says that a setting waits for a restart. One shard at a time, one member at a time:

    standby out of date -> evicted, or restarted by its Patroni -> streams again, synchronous again -> the next one
    leader out of date  -> hands over to a standby, all of which are up to date by then -> is a standby out of date

What must hold:
- a leader that could hand over is never restarted, and Kubernetes refuses its eviction whatever is decided here;
- no member that works is restarted unless every shard has all of its members, each streaming, one of them synchronous;
- nothing that works is restarted while an expansion runs: a failover makes its copies begin anew, and a fence must not lose its session.
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from . import steps
from .handover import decide_handover, is_recent
from .observed import Observed, Pod, find_running
from .protection import list_unprotected
from .provisioning import find_template
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0
# A setting that is still pending after a restart would be so after the next one too.
RESTART_REST_SECONDS = 600.0


def list_outdated(shard: str, wanted: Wanted, observed: Observed) -> tuple[Pod, ...]:
    template = find_template(wanted, shard)
    members = observed.objects.members(shard)
    return tuple(pod for pod in members if pod.template != template or _must_restart(pod, observed))


def name_restart(pod: Pod) -> str:
    return f"restart/{pod.name}"


def decide_updates(wanted: Wanted, observed: Observed) -> Decision:
    outdated = [pod for shard in wanted.shards for pod in list_outdated(shard, wanted, observed)]
    if not outdated:
        return Settled()
    told = f"{', '.join(pod.name for pod in outdated)} out of date"
    mending = decide_mending(wanted, observed)
    if isinstance(mending, Plan):
        return mending
    if find_running(observed):
        return Wait("ExpansionRunning", f"{told}; they wait until the expansion is complete", LOOK_AGAIN_SECONDS)
    if hindrances := "; ".join(_find_hindrances(wanted, observed)):
        return Wait("WaitingForMembers", f"{told}; first {hindrances}", LOOK_AGAIN_SECONDS)
    return _restart_next([pod for pod in outdated if pod.shard == outdated[0].shard], wanted, observed)


def decide_mending(wanted: Wanted, observed: Observed) -> Decision:
    """Waits for nothing, since others may wait for that very standby: an expansion, or the update itself."""
    outdated = (pod for shard in wanted.shards for pod in list_outdated(shard, wanted, observed))
    broken = next((pod for pod in outdated if _is_broken(pod, wanted, observed)), None)
    if broken is None:
        return Settled()
    why = f"{broken.name} is not ready, and is made anew as it is wanted now"
    return Plan((steps.Evict(broken.shard, broken.name, broken.uid),), "RestartingStandby", why)


def _restart_next(outdated: list[Pod], wanted: Wanted, observed: Observed) -> Decision:
    """Of one shard, all of whose members are well."""
    standby = next((pod for pod in outdated if not observed.objects.is_leader(pod)), None)
    if standby:
        return Plan((_restart(standby, wanted),), "RestartingStandby", f"{standby.name} is out of date")
    leader = outdated[0]
    if wanted.members == 1:
        why = f"{leader.name} is out of date and {leader.shard} has no other member: it is away while it restarts"
        return Plan((_restart(leader, wanted),), "RestartingOnlyMember", why)
    return decide_handover(leader.shard, wanted, observed, f"{leader.name} is out of date")


def _restart(pod: Pod, wanted: Wanted) -> steps.Evict | steps.RestartMember:
    """A new pod starts PostgreSQL anew too."""
    if pod.template == find_template(wanted, pod.shard):
        return steps.RestartMember(pod.shard, pod.name, wanted.members > 1, name_restart(pod))
    return steps.Evict(pod.shard, pod.name, pod.uid)


def _must_restart(pod: Pod, observed: Observed) -> bool:
    return pod.told.must_restart and not is_recent(name_restart(pod), observed, RESTART_REST_SECONDS)


def _is_broken(pod: Pod, wanted: Wanted, observed: Observed) -> bool:
    """Made by an older template and not ready beside a leader that is: what is wanted now may be what mends it."""
    state, is_led = observed.objects.patroni.get(pod.shard), pod.shard in observed.shards
    has_leader = state is not None and is_led and observed.objects.is_ready(state.leader)
    is_well = pod.is_ready or pod.is_leaving
    is_old = pod.template != find_template(wanted, pod.shard)
    return has_leader and is_old and not is_well and not observed.objects.is_leader(pod)


def _find_hindrances(wanted: Wanted, observed: Observed) -> Iterator[str]:
    """What is not as it should be on any shard: a restart may wait for it, and must not add to it."""
    for shard in wanted.shards:
        found = observed.shards.get(shard)
        if found is None:
            yield f"{shard} must have a primary that can be reached"
            continue
        for pod in observed.objects.members(shard):
            if pod.is_leaving or not pod.is_ready:
                yield f"{pod.name} must be ready"
            elif pod.node in observed.objects.cordoned:
                yield f"{pod.node} with {pod.name} must take pods again"
            elif not observed.objects.is_leader(pod) and pod.name not in found.standbys:
                yield f"{pod.name} must stream from its primary"
        if len(observed.objects.members(shard)) < wanted.members:
            yield f"{shard} must have its {wanted.members} members"
    for shard in list_unprotected(wanted, observed):
        yield f"{shard} must have a synchronous standby"
