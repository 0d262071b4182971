"""Whether each shard could lose its primary: who else has its commits, and who may be promoted. Pure.

Patroni promotes in synchronous mode only a member that `<scope>-sync` names, and in any mode none that is farther
behind the old leader's last word than `maximum_lag_on_failover`. What is said here is its arithmetic, not a decision.
"""

from dataclasses import dataclass
from datetime import datetime

from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.api.status import format_time
from caisson_operator.core.decisions import Decision, Settled, Wait

from .manifests.settings import MOST_LAG, TOLERABLE_LAG_BYTES
from .observed import Observed, Pod
from .patroni_state import PatroniState
from .wanted import Wanted

LOOK_AGAIN_SECONDS = 2.0
# Patroni's ttl where nothing else is said: a leader that lives has renewed its lead by then.
SILENT_SECONDS = 20.0
# PostgreSQL of such a member takes part in an election, or soon will.
_ALIVE = frozenset(["running", "starting", "restarting"])


@dataclass(frozen=True, slots=True)
class Limits:
    """As the shard's Patroni runs with them."""

    lag_bytes: int
    silent_seconds: float


def list_unprotected(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """Shards that have a primary, should have a synchronous standby beside it, and have none."""
    if not wanted.is_synchronous:
        return ()
    known = dict.fromkeys([*observed.shards, *observed.objects.patroni])
    return tuple(shard for shard in known if _is_bare(shard, observed))


def _is_bare(shard: str, observed: Observed) -> bool:
    """By the primary's own word; where the operator cannot reach it, by what its Patroni has recorded."""
    if shard in observed.shards:
        return not observed.shards[shard].has_synchronous_standby
    state = observed.objects.patroni.get(shard, PatroniState())
    leads_alone = bool(state.leader) and state.leader == state.sync_leader and not state.sync_standbys
    return leads_alone and observed.objects.is_ready(state.leader)


def wait_for_synchronous_standbys(wanted: Wanted, observed: Observed) -> Decision:
    """Nothing wakes the operator when a standby that is there becomes the synchronous one, or when Patroni records it."""
    if not wanted.is_synchronous:
        return Settled()
    unrecorded = [shard for shard in observed.shards if _is_unrecorded(observed.objects.patroni.get(shard))]
    ready = [pod.shard for pod in observed.objects.pods if pod.is_ready]
    due = [shard for shard in {*list_unprotected(wanted, observed), *unrecorded} if ready.count(shard) > 1]
    message = f"the standby of {', '.join(sorted(due))} is there, and is to become synchronous"
    return Wait("NoSynchronousStandby", message, LOOK_AGAIN_SECONDS) if due else Settled()


def _is_unrecorded(state: PatroniState | None) -> bool:
    """The server acknowledges by its standby a moment before Patroni writes down who may be promoted."""
    return state is not None and not state.sync_standbys


def since(shard: str, observed: Observed) -> datetime:
    """When the operator first saw the shard so: as the status has it, else now."""
    return observed.recorded.unprotected_since.get(shard, observed.now)


def explain_unprotected(shard: str, durability: Durability, observed: Observed) -> str:
    state = observed.objects.patroni.get(shard)
    holder = state.leader if state and state.leader else "the primary"
    seen = f"{shard}: no synchronous standby since {format_time(since(shard, observed))}"
    if durability is Durability.STRICT:
        return f"{seen}: writes wait until there is one"
    return f"{seen}: acknowledged writes are on {holder} alone, and are lost if its volume is"


def explain_blocked(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """For each shard that has no primary and none of whose members may be promoted: why not, in numbers."""
    told = (_explain_shard(shard, observed) for shard in wanted.shards if shard not in observed.shards)
    return tuple(text for text in told if text)


def _explain_shard(shard: str, observed: Observed) -> str:
    """Empty where there is a primary, or one is on its way, or there never was any."""
    state = observed.objects.patroni.get(shard)
    if state is None or (state.leader and observed.objects.is_ready(state.leader)):
        return ""
    pods = [pod for pod in observed.objects.pods if pod.shard == shard]
    settings = observed.objects.settings.get(shard, {})
    limits = Limits(settings.get(MOST_LAG, TOLERABLE_LAG_BYTES), settings.get("ttl", SILENT_SECONDS))
    is_synchronous = observed.objects.is_synchronous(shard) and state.sync_leader
    candidates = (state.sync_leader, *state.sync_standbys) if is_synchronous else tuple(pod.name for pod in pods)
    hindrances = {name: _hinder(name, observed.objects.pod(name), state, limits, observed.now) for name in candidates}
    if not all(hindrances.values()):
        return ""
    return f"{shard}: no primary; {_tell_candidates(hindrances, bool(is_synchronous))}{_tell_others(pods, candidates, state)}"


def _hinder(name: str, pod: Pod | None, state: PatroniState, limits: Limits, now: datetime) -> str:
    """Why this member cannot lead now; empty if it can."""
    if pod is None:
        return "has no pod"
    if not pod.is_running:
        return "is not running"
    if pod.told.state not in _ALIVE:
        return f"runs, but its PostgreSQL is {pod.told.state or 'not started yet'}"
    if name == state.leader and not pod.is_ready and _is_silent(state, limits, now):
        return f"hangs: it runs, and has not renewed its lead since {format_time(state.renewed_at or now)}"
    lag_bytes = state.position - pod.told.position
    if name != state.sync_leader and pod.told.position and lag_bytes > limits.lag_bytes:
        return f"is {lag_bytes} bytes behind, and Patroni promotes nobody that is more than {limits.lag_bytes} behind"
    return ""


def _is_silent(state: PatroniState, limits: Limits, now: datetime) -> bool:
    """What a member that hangs has told last of itself still stands. The clocks of two nodes are compared, for what is told alone."""
    return state.renewed_at is not None and (now - state.renewed_at).total_seconds() > limits.silent_seconds


def _tell_candidates(hindrances: dict[str, str], is_synchronous: bool) -> str:
    if not hindrances:
        return "it has no member"
    each = " and ".join(f"{name} ({why})" for name, why in hindrances.items())
    if not is_synchronous:
        return f"no member can lead: {each}"
    return (
        f"only {' and '.join(hindrances)} {'have' if len(hindrances) > 1 else 'has'} every acknowledged commit: {each}"
    )


def _tell_others(pods: list[Pod], candidates: tuple[str, ...], state: PatroniState) -> str:
    others = [pod for pod in pods if pod.name not in candidates]
    return "".join(
        f"; {pod.name} ({'running' if pod.is_running else 'not running'}{_tell_lag(pod, state)}) may lack commits "
        "and is not promoted"
        for pod in others
    )


def _tell_lag(pod: Pod, state: PatroniState) -> str:
    if not (pod.told.position and state.position):
        return ""
    return f", {max(state.position - pod.told.position, 0)} bytes behind"
