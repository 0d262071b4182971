"""The whole status, from what was observed. Pure. Says never more than was seen; a phase is a summary, never a trigger."""

from collections.abc import Mapping, Sequence

from caisson_operator.api.conditions import TRUE
from caisson_operator.api.sharded_database_status import (
    DatabasePhase,
    ShardedDatabaseStatus,
    ShardStatus,
)
from caisson_operator.api.status import Binding, Condition
from caisson_operator.core.conditions import ConditionType
from caisson_operator.core.decisions import Decision, Refuse

from .conditions import build_conditions
from .expansion_status import build_expansion
from .failovers import follow_leader, list_failovers
from .manifests import binding_name
from .member_passwords import followed_member_rotation
from .observed import Observed, owners
from .protection import list_unprotected, since
from .switchover import follow_switchover
from .updating import list_outdated
from .wanted import Wanted


def build_status(wanted: Wanted, observed: Observed, decision: Decision) -> ShardedDatabaseStatus:
    shards = _build_shards(wanted, observed, decision)
    conditions = build_conditions(wanted, observed, decision)
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
        expansion=build_expansion(wanted, observed, decision),
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
