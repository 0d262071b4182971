"""The whole status, from what was observed. Pure. Says never more than was seen; a phase is a summary, never a trigger."""

from collections.abc import Mapping, Sequence

from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.api.sharded_database_status import (
    BucketCounts,
    DatabasePhase,
    ExpansionPhase,
    ExpansionStatus,
    ShardedDatabaseStatus,
    ShardStatus,
    SwitchGroupCounts,
    SwitchPause,
)
from caisson_operator.api.status import Binding, Condition
from caisson_operator.core.conditions import ConditionStatus, ConditionType
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait

from .failovers import follow_leader, list_failovers
from .manifests import binding_name
from .member_passwords import followed_member_rotation
from .observed import Expansion, Observed, find_latest, find_running, owners
from .protection import explain_blocked, explain_unprotected, list_unprotected, since
from .replacing import explain_lost
from .schema import is_expanding, pending_migrations
from .switch_groups import GroupView, Stage, read_stage, view_groups
from .switchover import follow_switchover
from .updating import decide_updates, list_outdated
from .wanted import Wanted

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
_SCHEMA_REASONS = frozenset(
    [
        "MigrationFailed",
        "MigrationChanged",
        "TableMissing",
        "TableNotPartitioned",
        "WrongPartitionKey",
        "NoPrimaryKey",
        "KeyTypesDiffer",
        "KeyTypeNotSupported",
        "ForeignKeyBetweenShardedTables",
    ]
)


def build_status(wanted: Wanted, observed: Observed, decision: Decision) -> ShardedDatabaseStatus:
    shards = _build_shards(wanted, observed, decision)
    conditions = _build_conditions(wanted, observed, decision)
    binding = binding_name(wanted.database.name)
    applied = {id for shard in observed.shards.values() for id in shard.migrations}
    return ShardedDatabaseStatus(
        phase=_summarize(conditions, decision),
        shard_count=len(observed.objects.shards),
        conditions=conditions,
        binding=Binding(name=binding) if ("Secret", binding) in observed.objects.contents else None,
        credentials_rotation=observed.objects.login.rotation or None,
        operator_credentials_rotation=observed.objects.operator_rotation or None,
        member_credentials_rotation=followed_member_rotation(observed) or None,
        shards=shards,
        migrations_applied=tuple(m.id for m in wanted.migrations if m.id in applied),
        expansion=_build_expansion(wanted, observed, decision),
        failovers=list_failovers(wanted, observed),
        switchover=follow_switchover(wanted, observed, decision),
    )


def _build_shards(wanted: Wanted, observed: Observed, decision: Decision) -> tuple[ShardStatus, ...]:
    held, unprotected = list(owners(observed.shards).values()), list_unprotected(wanted, observed)
    found = []
    for name in wanted.shards:
        pods = [pod for pod in observed.objects.pods if pod.shard == name]
        primary = next((pod.name for pod in pods if pod.role == "primary"), None)
        shard = observed.shards.get(name)
        ready = sum(pod.is_ready for pod in pods)
        certificate = observed.objects.certificates.get(name)
        timeline = shard.timeline if shard else None
        found.append(
            ShardStatus(
                name=name,
                primary=primary,
                timeline=timeline,
                certificate_ends=certificate.not_after if certificate else None,
                members=wanted.members,
                ready_members=ready,
                updated_members=len(pods) - len(list_outdated(name, wanted, observed)),
                buckets=held.count(name),
                unprotected_since=since(name, observed) if name in unprotected else None,
                leader=follow_leader(name, observed, decision),
            )
        )
    return tuple(found)


def _build_conditions(wanted: Wanted, observed: Observed, decision: Decision) -> tuple[Condition, ...]:
    return (
        _ready(wanted, observed, decision),
        _progressing(decision),
        _schema_applied(wanted, observed, decision),
        _expanding(observed),
        _degraded(wanted, observed, decision),
        _unprotected(wanted, observed),
        _failover_blocked(wanted, observed),
        _updating(wanted, observed),
        _member_lost(wanted, observed),
    )


def _ready(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    """Applications can read and write every bucket of every table. New shards that own nothing yet do not count."""
    held = owners(observed.shards)
    unowned = sum(bucket not in held for group in wanted.groups.values() for bucket in group.all_buckets())
    if observed.shards and not unowned:
        count = len(set(held.values()) or observed.shards)
        return _condition(ConditionType.READY, TRUE, "ShardsReady", f"{count} shards take reads and writes")
    if isinstance(decision, Refuse):
        return _condition(ConditionType.READY, FALSE, decision.reason, decision.message)
    away = sorted(name for name in observed.objects.shards if name not in observed.shards)
    if away:
        told = "; ".join(f"{name}: {observed.unreachable.get(name, 'not there yet')}" for name in away)
        return _condition(ConditionType.READY, FALSE, "ShardsNotReady", f"no primary can be reached of {told}")
    reason, message = _told(decision)
    return _condition(ConditionType.READY, FALSE, reason or "Provisioning", message or "shards are being made")


def _progressing(decision: Decision) -> Condition:
    reason, message = _told(decision)
    if isinstance(decision, Plan | Wait):
        return _condition(ConditionType.PROGRESSING, TRUE, reason, message)
    return _condition(ConditionType.PROGRESSING, FALSE, reason or "AsWanted", message or "what was asked for is there")


def _schema_applied(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    if isinstance(decision, Refuse) and decision.reason in _SCHEMA_REASONS:
        return _condition(ConditionType.SCHEMA_APPLIED, FALSE, decision.reason, decision.message)
    if not observed.shards:
        return _condition(ConditionType.SCHEMA_APPLIED, UNKNOWN, "ShardsNotReady", "no shard has been read yet")
    pending = sorted({m.id for shard in observed.shards.values() for _, m in pending_migrations(wanted, shard)})
    if pending and is_expanding(observed.shards):
        message = (
            f"{', '.join(pending)}: no migration is applied while an expansion runs; they follow when it is complete"
        )
        return _condition(ConditionType.SCHEMA_APPLIED, FALSE, "ExpansionRunning", message)
    if pending:
        return _condition(ConditionType.SCHEMA_APPLIED, FALSE, "Migrating", f"to be applied: {', '.join(pending)}")
    count = len(wanted.migrations)
    return _condition(ConditionType.SCHEMA_APPLIED, TRUE, "Applied", f"{count} migrations are applied on every shard")


def _expanding(observed: Observed) -> Condition:
    running, latest = find_running(observed), find_latest(observed)
    if running:
        message = f"from {running.from_shards} to {running.to_shards} shards"
        return _condition(ConditionType.EXPANDING, TRUE, "Expanding", message)
    reason = "Completed" if latest else "NeverExpanded"
    return _condition(ConditionType.EXPANDING, FALSE, reason, "every bucket is where it belongs")


def _degraded(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    if isinstance(decision, Refuse):
        return _condition(ConditionType.DEGRADED, TRUE, decision.reason, decision.message)
    if blocked := explain_blocked(wanted, observed):
        return _condition(ConditionType.DEGRADED, TRUE, "FailoverBlocked", "; ".join(blocked))
    if bare := list_unprotected(wanted, observed):
        return _condition(
            ConditionType.DEGRADED, TRUE, "NoSynchronousStandby", f"no synchronous standby: {', '.join(bare)}"
        )
    return _condition(ConditionType.DEGRADED, FALSE, "Healthy", "")


def _unprotected(wanted: Wanted, observed: Observed) -> Condition:
    """Under `strict` nothing is acknowledged that one member alone has: then writes wait, which `Degraded` tells."""
    bare = list_unprotected(wanted, observed)
    told = "; ".join(explain_unprotected(shard, wanted.durability, observed) for shard in bare)
    if bare and wanted.durability is Durability.STRICT:
        return _condition(ConditionType.UNPROTECTED, FALSE, "WritesWait", told)
    if bare:
        return _condition(ConditionType.UNPROTECTED, TRUE, "NoSynchronousStandby", told)
    if wanted.durability is Durability.ASYNCHRONOUS:
        return _condition(ConditionType.UNPROTECTED, FALSE, "NotAskedFor", "spec.durability is asynchronous")
    if not observed.shards:
        return _condition(ConditionType.UNPROTECTED, UNKNOWN, "ShardsNotReady", "no shard can be read")
    return _condition(ConditionType.UNPROTECTED, FALSE, "Protected", "every primary that is there has its standby")


def _failover_blocked(wanted: Wanted, observed: Observed) -> Condition:
    if blocked := explain_blocked(wanted, observed):
        return _condition(ConditionType.FAILOVER_BLOCKED, TRUE, "NoCandidate", "; ".join(blocked))
    return _condition(ConditionType.FAILOVER_BLOCKED, FALSE, "NotBlocked", "no shard is kept from having a primary")


def _updating(wanted: Wanted, observed: Observed) -> Condition:
    """As it is to go on, even where something else comes first."""
    decision = decide_updates(wanted, observed)
    if isinstance(decision, Settled):
        return _condition(ConditionType.UPDATING, FALSE, "UpToDate", "every member runs what is wanted")
    return _condition(ConditionType.UPDATING, TRUE, decision.reason, decision.message)


def _member_lost(wanted: Wanted, observed: Observed) -> Condition:
    if lost := explain_lost(wanted, observed):
        return _condition(ConditionType.MEMBER_LOST, TRUE, "VolumeGone", "; ".join(lost))
    return _condition(ConditionType.MEMBER_LOST, FALSE, "NoneLost", "no member has lost its volume for good")


def _build_expansion(wanted: Wanted, observed: Observed, decision: Decision) -> ExpansionStatus | None:
    expansion = find_latest(observed)
    if (expansion is None or expansion.is_finished) and _is_growing(wanted, observed):
        return _announce(expansion, observed, wanted, decision)
    if expansion is None:
        return None
    views = view_groups(expansion, observed.shards)
    stages = [read_stage(view) for view in views]
    reason, message = _told(decision)
    pauses = [v.record.pause_milliseconds or 0 for v in views if v.record and v.record.switched_at]
    return ExpansionStatus(
        id=expansion.number,
        phase=_phase(expansion, stages, reason),
        from_shards=expansion.from_shards,
        to_shards=expansion.to_shards,
        switch_groups=_count_groups(expansion, stages),
        buckets=_count_buckets(expansion, views, stages),
        rows_copied=sum(_rows(view) for view in views),
        lag_bytes=max((view.lag_bytes for view in views), default=0),
        switch_pause_milliseconds=SwitchPause(last=_last_pause(views), max=round(max(pauses, default=0))),
        mismatches=sum(view.record.mismatches for view in views if view.record),
        started_at=expansion.started_at,
        finished_at=expansion.finished_at,
        message=(message if not expansion.is_finished else "completed")[:2000],
    )


def _is_growing(wanted: Wanted, observed: Observed) -> bool:
    """Every bucket has an owner, and a wanted shard has none: one that merely cannot be reached is no new shard."""
    held = owners(observed.shards)
    is_known = all(bucket in held for group in wanted.groups.values() for bucket in group.all_buckets())
    return is_known and 0 < len(set(held.values())) < len(wanted.shards)


def _announce(last: Expansion | None, observed: Observed, wanted: Wanted, decision: Decision) -> ExpansionStatus:
    """Not recorded yet: new shards are being made."""
    is_there = all(name in observed.shards for name in wanted.shards)
    _, message = _told(decision)
    phase = ExpansionPhase.PLANNING if is_there else ExpansionPhase.PROVISIONING
    if isinstance(decision, Refuse):
        phase = ExpansionPhase.FAILED
    begin = len({*owners(observed.shards).values()})
    return ExpansionStatus(
        id=last.number + 1 if last else 1,
        phase=phase,
        from_shards=begin,
        to_shards=len(wanted.shards),
        message=message[:2000],
    )


def _phase(expansion: Expansion, stages: Sequence[Stage], reason: str) -> ExpansionPhase:
    """The least that any group has reached."""
    if expansion.is_finished:
        return ExpansionPhase.COMPLETED
    if reason == "Paused":
        return ExpansionPhase.PAUSED
    if all(stage is Stage.ABSENT for stage in stages):
        return ExpansionPhase.PLANNING
    lowest = min((stage for stage in stages if stage < Stage.FENCED), default=Stage.FENCED)
    if lowest <= Stage.COPYING:
        return ExpansionPhase.COPYING
    if lowest is Stage.INDEXING or (lowest is Stage.SYNCED and reason == "CatchingUp"):
        return ExpansionPhase.DUAL_WRITING
    return ExpansionPhase.VERIFYING if lowest is Stage.SYNCED else ExpansionPhase.SWITCHING


def _count_groups(expansion: Expansion, stages: Sequence[Stage]) -> SwitchGroupCounts:
    return SwitchGroupCounts(
        total=len(expansion.groups),
        copied=sum(stage >= Stage.INDEXING for stage in stages),
        verified=sum(stage >= Stage.VERIFIED for stage in stages),
        switched=sum(stage >= Stage.OPEN for stage in stages),
    )


def _count_buckets(expansion: Expansion, views: Sequence[GroupView], stages: Sequence[Stage]) -> BucketCounts:
    moved = sum(len(view.group.buckets) for view, stage in zip(views, stages, strict=True) if stage >= Stage.OPEN)
    return BucketCounts(total=sum(len(group.buckets) for group in expansion.groups), moved=moved)


def _rows(view: GroupView) -> int:
    """What was counted when the group was verified; before that, what its subscription has brought so far."""
    if view.record and view.record.rows:
        return view.record.rows
    return sum(view.target.rows_arrived.get(leaf.name, 0) for leaf in view.group.leaves)


def _last_pause(views: Sequence[GroupView]) -> int:
    switched = [view.record for view in views if view.record and view.record.switched_at]
    last = max(switched, key=lambda record: record.switched_at or record.copy_started_at, default=None)
    return round(last.pause_milliseconds or 0) if last else 0


def _summarize(conditions: Sequence[Condition], decision: Decision) -> DatabasePhase:
    by_type: Mapping[str, Condition] = {condition.type: condition for condition in conditions}
    if isinstance(decision, Refuse):
        return DatabasePhase.REFUSED
    if by_type[ConditionType.READY].status is not TRUE:
        was_up = by_type[ConditionType.SCHEMA_APPLIED].status is TRUE
        return DatabasePhase.DEGRADED if was_up else DatabasePhase.PROVISIONING
    if by_type[ConditionType.EXPANDING].status is TRUE:
        return DatabasePhase.EXPANDING
    return DatabasePhase.DEGRADED if by_type[ConditionType.DEGRADED].status is TRUE else DatabasePhase.READY


def _told(decision: Decision) -> tuple[str, str]:
    return ("", "") if isinstance(decision, Settled) else (decision.reason, decision.message)


def _condition(type: ConditionType, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=type.value, status=status, reason=reason, message=message[:2000])
