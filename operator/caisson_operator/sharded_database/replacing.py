"""Members whose volume is gone for good: after a grace they are made anew, as a copy of their leader. Pure.

A volume is gone when Kubernetes calls its claim lost, or when it is bound to a node that exists no more. Its pod can then
never start again, and Kubernetes alone would wait forever.

What must hold, since what a volume had is given up with it:
- the shard's leader is there, and has every acknowledged commit; the member neither leads nor streams;
- the member has been away for spec.memberReplaceDelay, by the clock of Kubernetes: a node may come back under its name;
- one member at a time: the others of its shard are there, and are no copies that are still being made.
"""

from collections.abc import Iterator
from datetime import timedelta

from caisson_operator.core.decisions import Decision, Plan, Settled

from . import steps
from .observed import Observed, Volume
from .wanted import Wanted


def decide_replacement(wanted: Wanted, observed: Observed) -> Decision:
    """What can be done at once: whatever else is due does not wait for the grace."""
    for volume in _list_gone(wanted, observed):
        pod = observed.objects.pod(volume.member)
        if pod and not _find_hindrance(volume, wanted, observed):
            step = steps.ReplaceMember(volume.shard, pod.name, pod.uid, volume.name, volume.uid)
            return Plan((step,), "ReplacingMember", f"{volume.name} is gone for good; {pod.name} begins anew as a copy")
    return Settled()


def explain_lost(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """For each volume that is gone, what its replacement waits for."""
    return tuple(
        f"{volume.name} is gone for good: {_find_hindrance(volume, wanted, observed) or 'its member is replaced'}"
        for volume in _list_gone(wanted, observed)
    )


def _list_gone(wanted: Wanted, observed: Observed) -> Iterator[Volume]:
    return (volume for volume in observed.objects.volumes if volume.is_gone and volume.shard in wanted.shards)


def _find_hindrance(volume: Volume, wanted: Wanted, observed: Observed) -> str:
    """What stands against it; empty if nothing does."""
    pod = observed.objects.pod(volume.member)
    if pod is None or pod.is_leaving or volume.is_leaving:
        return f"{volume.member} is being made anew"
    return _miss_leader(volume, observed) or _miss_others(volume, observed) or _miss_grace(volume, wanted, observed)


def _miss_leader(volume: Volume, observed: Observed) -> str:
    state, shard = observed.objects.patroni.get(volume.shard), observed.shards.get(volume.shard)
    if state is None or shard is None or not observed.objects.is_ready(state.leader):
        return f"{volume.shard} has no leader to copy from"
    pod = observed.objects.pod(volume.member)
    if (pod and observed.objects.is_leader(pod)) or volume.member in shard.standbys:
        return f"{volume.member} still leads or streams"
    if observed.objects.is_synchronous(volume.shard) and state.sync_leader != state.leader:
        return f"Patroni does not say yet that {state.leader} has every acknowledged commit"
    return ""


def _miss_others(volume: Volume, observed: Observed) -> str:
    others = [pod for pod in observed.objects.members(volume.shard) if pod.name != volume.member]
    gone = {each.member for each in observed.objects.volumes if each.is_gone}
    away = ", ".join(pod.name for pod in others if not pod.is_ready and pod.name not in gone)
    return f"{away} must be ready first" if away else ""


def _miss_grace(volume: Volume, wanted: Wanted, observed: Observed) -> str:
    pod = observed.objects.pod(volume.member)
    if pod is None or pod.unready_since is None:
        return f"{volume.member} is ready"
    due = pod.unready_since + timedelta(seconds=wanted.replace_delay_seconds)
    return f"its member is replaced at {due:%Y-%m-%dT%H:%M:%SZ}" if observed.now < due else ""
