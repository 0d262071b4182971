"""Members whose volume is gone for good (core/replacing.py): they are made anew, as a copy of their leader. Pure.

What must hold, since what a volume had is given up with it:
- the shard's leader is there, and has every acknowledged commit; the member neither leads nor streams;
- the member has been away for spec.memberReplaceDelay, by the clock of Kubernetes: a node may come back under its name;
- one member at a time: the others of its shard are there, and are no copies that are still being made.
"""

from collections.abc import Iterator

from caisson_operator.core.decisions import Decision
from caisson_operator.core.replacing import (
    explain_gone,
    find_due,
    miss_grace,
    miss_others,
    miss_pod,
    replace_member,
)
from caisson_operator.core.volumes import Volume

from .observed import Observed
from .wanted import Wanted


def decide_replacement(wanted: Wanted, observed: Observed) -> Decision:
    due = find_due(_list_gone(wanted, observed), lambda volume: _find_hindrance(volume, wanted, observed))
    return replace_member(due, observed.objects.pods, "as a copy")


def explain_lost(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    return explain_gone(_list_gone(wanted, observed), lambda volume: _find_hindrance(volume, wanted, observed))


def _list_gone(wanted: Wanted, observed: Observed) -> Iterator[Volume]:
    return (volume for volume in observed.objects.volumes if volume.is_gone and volume.shard in wanted.shards)


def _find_hindrance(volume: Volume, wanted: Wanted, observed: Observed) -> str:
    """What stands against it; empty if nothing does."""
    members = observed.objects.members(volume.shard)
    return (
        miss_pod(volume, members)
        or _miss_leader(volume, observed)
        or miss_others(volume, members, observed.objects.volumes)
        or miss_grace(volume, members, wanted.replace_delay_seconds, observed.now)
    )


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
