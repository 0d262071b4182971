"""The whole status, from what was observed. Pure. Says never more than was seen; a phase is a summary, never a trigger."""

from datetime import UTC, datetime

from caisson_operator.api.backing_cluster_status import BackingClusterStatus, BackingPhase, MemberRole, MemberStatus
from caisson_operator.api.conditions import FALSE, TRUE, build_condition, build_progressing, tell
from caisson_operator.api.status import Binding, Condition
from caisson_operator.core.conditions import ConditionType
from caisson_operator.core.decisions import Decision, Refuse

from .manifests import Names, find_template
from .observed import Observed, Pod, find_leader, is_served, list_serving
from .replacing import explain_lost
from .updating import list_outdated
from .wanted import Wanted

_LEADING = {"leader": MemberRole.LEADER, "follower": MemberRole.FOLLOWER, "observer": MemberRole.OBSERVER}


def build_status(wanted: Wanted, observed: Observed, decision: Decision) -> BackingClusterStatus:
    binding = Names(wanted.owner.name, wanted.owner.namespace).binding
    members = tuple(_build_member(pod, wanted, observed) for pod in observed.pods)
    leader = find_leader(wanted, observed)
    return BackingClusterStatus(
        phase=_summarize(wanted, observed, decision),
        member_count=observed.replicas or 0,
        ready_members=sum(member.ready for member in members),
        conditions=_build_conditions(wanted, observed, decision),
        binding=Binding(name=binding) if ("Secret", binding) in observed.contents else None,
        leader=leader,
        last_leader=leader or (_told_leader(observed) or None),
        leader_since=_since(leader, observed) if leader else None,
        epoch=observed.epoch.number if observed.epoch else None,
        certificate_ends=observed.certificate.not_after if observed.certificate else None,
        members=members,
    )


def _build_member(pod: Pod, wanted: Wanted, observed: Observed) -> MemberStatus:
    redis = observed.redis.get(pod.name)
    serves = pod.name in list_serving(wanted, observed)
    why = "" if serves and pod.is_ready else observed.unreachable.get(pod.name, "") or pod.trouble
    return MemberStatus(
        name=pod.name,
        role=_find_role(pod, observed),
        ready=pod.is_ready and serves,
        is_updated=pod.template == find_template(wanted),
        epoch=redis.epoch if redis and redis.is_primary and redis.epoch and not wanted.is_replicated else None,
        message=why or None,
    )


def _find_role(pod: Pod, observed: Observed) -> MemberRole:
    redis, zookeeper = observed.redis.get(pod.name), observed.zookeeper.get(pod.name)
    if redis:
        return MemberRole.PRIMARY if redis.is_primary else MemberRole.REPLICA
    return _LEADING.get(zookeeper.mode, MemberRole.UNKNOWN) if zookeeper else MemberRole.UNKNOWN


def _since(leader: str, observed: Observed) -> datetime:
    """As it was told before, if it was the same one; of a new primary the epoch tells them apart."""
    told = observed.status
    epoch = observed.epoch.number if observed.epoch else None
    if told.get("leader") == leader and told.get("epoch") == epoch and "leaderSince" in told:
        return datetime.strptime(str(told["leaderSince"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return observed.now


def _build_conditions(wanted: Wanted, observed: Observed, decision: Decision) -> tuple[Condition, ...]:
    return (
        _ready(wanted, observed, decision),
        build_progressing(decision),
        _degraded(wanted, observed, decision),
        _leader_lost(wanted, observed),
        _updating(wanted, observed),
        _member_lost(wanted, observed),
    )


def _ready(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    serving = len(list_serving(wanted, observed))
    if is_served(wanted, observed):
        return build_condition(ConditionType.READY, TRUE, "Serving", f"{serving} members serve")
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.READY, FALSE, decision.reason, decision.message)
    if not wanted.is_replicated:
        told = f"{serving} of {wanted.members} primaries serve, and a majority is {wanted.majority}"
        return build_condition(ConditionType.READY, FALSE, "NoMajority", told)
    leader = find_leader(wanted, observed)
    if leader:
        told = f"{leader} takes no writes: too few replicas follow it"
        return build_condition(ConditionType.READY, FALSE, "TooFewReplicas", told)
    reason, message = tell(decision)
    return build_condition(ConditionType.READY, FALSE, reason or "NoLeader", message or "no member takes writes")


def _degraded(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.DEGRADED, TRUE, decision.reason, decision.message)
    serving = list_serving(wanted, observed)
    away = [pod.name for pod in observed.pods if pod.ordinal < wanted.members and pod.name not in serving]
    if _was_ready(wanted, observed) and (away or len(observed.pods) < wanted.members):
        told = f"{len(serving)} of {wanted.members} members serve; away: {', '.join(away) or 'not there yet'}"
        return build_condition(ConditionType.DEGRADED, TRUE, "MembersAway", told)
    return build_condition(ConditionType.DEGRADED, FALSE, "AsWanted", "nothing is known to be wrong")


def _leader_lost(wanted: Wanted, observed: Observed) -> Condition:
    if not wanted.is_replicated:
        return build_condition(
            ConditionType.LEADER_LOST, FALSE, "NoLeaderNeeded", "every member is a primary of its own"
        )
    leader = find_leader(wanted, observed)
    if leader:
        return build_condition(ConditionType.LEADER_LOST, FALSE, "LeaderServes", f"{leader} takes writes")
    before = _told_leader(observed)
    if before:
        told = f"{before} led and does so no more; the members elect another one by themselves, if a majority is there"
        return build_condition(ConditionType.LEADER_LOST, TRUE, "LeaderLost", told)
    return build_condition(ConditionType.LEADER_LOST, FALSE, "NotLedYet", "the cluster is being made")


def _updating(wanted: Wanted, observed: Observed) -> Condition:
    outdated = list_outdated(wanted, observed)
    if not outdated:
        return build_condition(ConditionType.UPDATING, FALSE, "UpToDate", "every member runs what is wanted")
    names = ", ".join(pod.name for pod in outdated)
    return build_condition(
        ConditionType.UPDATING, TRUE, "MembersOutdated", f"to be restarted, the leader last: {names}"
    )


def _member_lost(wanted: Wanted, observed: Observed) -> Condition:
    if lost := explain_lost(wanted, observed):
        return build_condition(ConditionType.MEMBER_LOST, TRUE, "VolumeGone", "; ".join(lost))
    return build_condition(ConditionType.MEMBER_LOST, FALSE, "NoneLost", "no member has lost its volume for good")


def _summarize(wanted: Wanted, observed: Observed, decision: Decision) -> BackingPhase:
    if isinstance(decision, Refuse):
        return BackingPhase.REFUSED
    if not is_served(wanted, observed):
        return BackingPhase.DEGRADED if _was_ready(wanted, observed) else BackingPhase.PROVISIONING
    if list_outdated(wanted, observed):
        return BackingPhase.UPDATING
    if len(observed.pods) != wanted.members or observed.replicas != wanted.members:
        return BackingPhase.SCALING
    is_whole = len(list_serving(wanted, observed)) == wanted.members
    return BackingPhase.READY if is_whole else BackingPhase.DEGRADED


def _was_ready(wanted: Wanted, observed: Observed) -> bool:
    """Whether it has served since the resource was made: a cluster that is being made has lost nothing."""
    if wanted.is_replicated:
        return bool(_told_leader(observed))
    return any(member.get("epoch") for member in observed.status.get("members", ()))


def _told_leader(observed: Observed) -> str:
    return str(observed.status.get("leader") or observed.status.get("lastLeader") or "")
