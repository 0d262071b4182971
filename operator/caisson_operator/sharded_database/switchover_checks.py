"""What may stand against a switchover, as things are: each check names its finding and what to do. Pure."""

from collections.abc import Callable

from .manifests import ShardNames
from .observed import Observed, find_running
from .patroni_state import PatroniState
from .switch_groups import Stage, read_stage, view_groups
from .wanted import Wanted

MOST_LAG_BYTES = 1_048_576  # the new leader replays it first, and nobody can write meanwhile


def find_refusal(shard: str, target: str, wanted: Wanted, observed: Observed) -> str:
    """The first thing that stands against it, in words that say what to do; empty if nothing does."""
    checks: tuple[Callable[[], str], ...] = (
        lambda: _miss_shard(shard, wanted),
        lambda: _miss_member(shard, target, wanted, observed),
        lambda: _miss_primary(shard, observed),
        lambda: _miss_standby(shard, target, observed),
        lambda: _find_fence(shard, observed),
    )
    return next((refusal for check in checks if (refusal := check())), "")


def _miss_shard(shard: str, wanted: Wanted) -> str:
    return "" if shard in wanted.shards else f"there is no shard {shard}; there are {', '.join(wanted.shards)}"


def _miss_member(shard: str, target: str, wanted: Wanted, observed: Observed) -> str:
    names = _member_names(shard, observed)
    if not target or target in names:
        return ""
    known = ", ".join(sorted(names)) or f"none, of {ShardNames(wanted.database.name, shard).scope}"
    return f"{shard} has no member {target}; its members are {known}"


def _miss_primary(shard: str, observed: Observed) -> str:
    state = observed.objects.patroni.get(shard)
    if shard in observed.shards and state and state.leader and observed.objects.is_ready(state.leader):
        return ""
    why = observed.unreachable.get(shard, "")
    return (
        f"{shard} has no healthy primary that could hand over{f' ({why})' if why else ''}; Patroni fails over by itself"
    )


def _miss_standby(shard: str, target: str, observed: Observed) -> str:
    """Patroni accepts only a streaming standby, in synchronous mode only the one that it names; a long lag makes a long pause."""
    state, standbys = observed.objects.patroni[shard], observed.shards[shard].standbys
    if not target:
        return f"no member streams from the primary of {shard}; see its pods and their logs"
    if target == state.leader:
        return f"{target} leads {shard} already"
    if target not in standbys:
        why = _tell_last_lag(target, state, observed)
        return f"{target} is no standby of {shard} that could lead: {why}; see its pod and its log"
    lag_bytes = standbys[target].lag_bytes
    if observed.objects.is_synchronous(shard) and target not in state.sync_standbys:
        named = ", ".join(state.sync_standbys) or "nobody yet"
        told = f"{target} is not the synchronous standby of {shard}, and may lack commits"
        return f"{told}: it is {lag_bytes} bytes behind; the synchronous one is {named}"
    if lag_bytes > MOST_LAG_BYTES:
        return f"{target} is {lag_bytes} bytes behind (at most {MOST_LAG_BYTES}); ask again when it has caught up"
    return ""


def _tell_last_lag(member: str, state: PatroniState, observed: Observed) -> str:
    """The primary knows only of those that stream; what a member's Patroni told last may stand for long."""
    pod = observed.objects.pod(member)
    if pod is None or not pod.told.position or not state.position:
        return "its lag is not known, it does not stream"
    return f"it was {max(state.position - pod.told.position, 0)} bytes behind by what it told last, and does not stream"


def _find_fence(shard: str, observed: Observed) -> str:
    """A fence whose commit is still open would be lost with its primary's sessions."""
    running = find_running(observed)
    views = view_groups(running, observed.shards) if running else ()
    for view in views:
        is_ours = shard in (view.group.source, view.group.target)
        if is_ours and (read_stage(view) is Stage.FENCED or observed.shards[shard].open_fences):
            return f"switch group {view.group.number} of {shard} is inside its fence; ask again in a moment"
    return ""


def choose_standby(shard: str, observed: Observed) -> str:
    """The synchronous standby; without synchronous mode the one that has replayed most. Empty if nobody streams."""
    found = observed.shards.get(shard)
    standbys = found.standbys if found else {}
    members = [name for name in standbys if _member_names(shard, observed) >= {name}]
    ranked = sorted(members, key=lambda name: (not standbys[name].is_synchronous, standbys[name].lag_bytes, name))
    return ranked[0] if ranked else ""


def _member_names(shard: str, observed: Observed) -> frozenset[str]:
    return frozenset(pod.name for pod in observed.objects.pods if pod.shard == shard)
