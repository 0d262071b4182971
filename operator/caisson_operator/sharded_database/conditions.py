"""What is true of a database, and what is wrong with it, from what was observed. Pure. Says never more than was seen."""

from caisson_operator.api.conditions import FALSE, TRUE, UNKNOWN, build_condition, build_progressing, tell
from caisson_operator.api.sharded_database_spec import Durability
from caisson_operator.api.status import Condition
from caisson_operator.core.conditions import WRITES_WAIT, ConditionType
from caisson_operator.core.decisions import Decision, Refuse, Settled

from .observed import Observed, find_latest, find_running, owners
from .protection import explain_blocked, explain_unprotected, list_unprotected
from .replacing import explain_lost
from .schema import is_expanding, pending_migrations
from .table_faults import FAULTS
from .updating import decide_updates
from .wanted import Wanted

_SCHEMA_REASONS = FAULTS | {"MigrationFailed", "MigrationChanged"}


def build_conditions(wanted: Wanted, observed: Observed, decision: Decision) -> tuple[Condition, ...]:
    return (
        _ready(wanted, observed, decision),
        build_progressing(decision),
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
        return build_condition(ConditionType.READY, TRUE, "ShardsReady", f"{count} shards take reads and writes")
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.READY, FALSE, decision.reason, decision.message)
    away = sorted(name for name in observed.objects.shards if name not in observed.shards)
    if away:
        told = "; ".join(f"{name}: {observed.unreachable.get(name, 'not there yet')}" for name in away)
        return build_condition(ConditionType.READY, FALSE, "ShardsNotReady", f"no primary can be reached of {told}")
    reason, message = tell(decision)
    return build_condition(ConditionType.READY, FALSE, reason or "Provisioning", message or "shards are being made")


def _schema_applied(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    if isinstance(decision, Refuse) and decision.reason in _SCHEMA_REASONS:
        return build_condition(ConditionType.SCHEMA_APPLIED, FALSE, decision.reason, decision.message)
    if not observed.shards:
        return build_condition(ConditionType.SCHEMA_APPLIED, UNKNOWN, "ShardsNotReady", "no shard has been read yet")
    pending = sorted({m.id for shard in observed.shards.values() for _, m in pending_migrations(wanted, shard)})
    if pending and is_expanding(observed.shards):
        message = (
            f"{', '.join(pending)}: no migration is applied while an expansion runs; they follow when it is complete"
        )
        return build_condition(ConditionType.SCHEMA_APPLIED, FALSE, "ExpansionRunning", message)
    if pending:
        return build_condition(ConditionType.SCHEMA_APPLIED, FALSE, "Migrating", f"to be applied: {', '.join(pending)}")
    count = len(wanted.migrations)
    return build_condition(
        ConditionType.SCHEMA_APPLIED, TRUE, "Applied", f"{count} migrations are applied on every shard"
    )


def _expanding(observed: Observed) -> Condition:
    running, latest = find_running(observed), find_latest(observed)
    if running:
        message = f"from {running.from_shards} to {running.to_shards} shards"
        return build_condition(ConditionType.EXPANDING, TRUE, "Expanding", message)
    if latest is None and (seen := observed.recorded.running_expansion):
        message = f"from {seen.from_shards} to {seen.to_shards} shards, as last seen"
        return build_condition(ConditionType.EXPANDING, TRUE, "Expanding", message)
    reason = "Completed" if latest or observed.recorded.expansion else "NeverExpanded"
    return build_condition(ConditionType.EXPANDING, FALSE, reason, "every bucket is where it belongs")


def _degraded(wanted: Wanted, observed: Observed, decision: Decision) -> Condition:
    if isinstance(decision, Refuse):
        return build_condition(ConditionType.DEGRADED, TRUE, decision.reason, decision.message)
    if blocked := explain_blocked(wanted, observed):
        return build_condition(ConditionType.DEGRADED, TRUE, "FailoverBlocked", "; ".join(blocked))
    if bare := list_unprotected(wanted, observed):
        return build_condition(
            ConditionType.DEGRADED, TRUE, "NoSynchronousStandby", f"no synchronous standby: {', '.join(bare)}"
        )
    return build_condition(ConditionType.DEGRADED, FALSE, "Healthy", "")


def _unprotected(wanted: Wanted, observed: Observed) -> Condition:
    """Under `strict` nothing is acknowledged that one member alone has: then writes wait, which `Degraded` tells."""
    bare = list_unprotected(wanted, observed)
    told = "; ".join(explain_unprotected(shard, wanted.durability, observed) for shard in bare)
    if bare and wanted.durability is Durability.STRICT:
        return build_condition(ConditionType.UNPROTECTED, FALSE, WRITES_WAIT, told)
    if bare:
        return build_condition(ConditionType.UNPROTECTED, TRUE, "NoSynchronousStandby", told)
    if wanted.durability is Durability.ASYNCHRONOUS:
        return build_condition(ConditionType.UNPROTECTED, FALSE, "NotAskedFor", "spec.durability is asynchronous")
    if not observed.shards:
        return build_condition(ConditionType.UNPROTECTED, UNKNOWN, "ShardsNotReady", "no shard can be read")
    return build_condition(ConditionType.UNPROTECTED, FALSE, "Protected", "every primary that is there has its standby")


def _failover_blocked(wanted: Wanted, observed: Observed) -> Condition:
    if blocked := explain_blocked(wanted, observed):
        return build_condition(ConditionType.FAILOVER_BLOCKED, TRUE, "NoCandidate", "; ".join(blocked))
    return build_condition(
        ConditionType.FAILOVER_BLOCKED, FALSE, "NotBlocked", "no shard is kept from having a primary"
    )


def _updating(wanted: Wanted, observed: Observed) -> Condition:
    """As it is to go on, even where something else comes first."""
    decision = decide_updates(wanted, observed)
    if isinstance(decision, Settled):
        return build_condition(ConditionType.UPDATING, FALSE, "UpToDate", "every member runs what is wanted")
    return build_condition(ConditionType.UPDATING, TRUE, decision.reason, decision.message)


def _member_lost(wanted: Wanted, observed: Observed) -> Condition:
    if lost := explain_lost(wanted, observed):
        return build_condition(ConditionType.MEMBER_LOST, TRUE, "VolumeGone", "; ".join(lost))
    return build_condition(ConditionType.MEMBER_LOST, FALSE, "NoneLost", "no member has lost its volume for good")
