"""Settings that the shards' Patroni has and that are not as the resource wants them: what is sent, when, and to whom. Pure.

CAISSON_DCS is read at a shard's first bootstrap alone; a later change of `durability` or `membersPerShard` comes this way.
So do the timings of `failover`, and the user's `parameters` once the server has been asked whether it would take them. Only keys that follow from the resource are compared, and only those that differ are sent: the rest is whoever set it.

What must hold:
- a shard is not made asynchronous while an expansion runs: a fence whose commit is lost in a failover makes two owners;
- a member's data directory is thrown away by itself, and a member that lags is promoted, only where a synchronous standby has
  every acknowledged commit. Until the shard has one, a former primary may hold the only copy.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from caisson_operator.api.sharded_database_spec import Durability, Failover
from caisson_operator.core.decisions import Decision, Plan, Settled, Wait

from . import steps
from .growing import find_storage_size
from .manifests import build_cluster_settings
from .manifests.settings import ANY_LAG_BYTES, DISCARDING, HAS_TIMINGS, MOST_LAG, OF_USER, build_timings
from .observed import Observed, Pod
from .wanted import Wanted

Settings = Mapping[str, Any]
LOOK_AGAIN_SECONDS = 2.0


def decide_settings(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """A shard that has not bootstrapped yet, or none of whose members is there, is left for a later look."""
    if is_expanding and wanted.durability is Durability.ASYNCHRONOUS and wanted.members > 1:
        return Settled()
    todo = tuple(_configure(wanted, observed))
    if not todo:
        return Settled()
    told = "; ".join(f"{step.shard}: {json.dumps(step.settings)}" for step in todo)
    return Plan((*_check_parameters(todo, wanted), *todo), "Configuring", f"settings of {told}"[:1000])


def wait_for_standbys(wanted: Wanted, observed: Observed) -> Decision:
    """Once nothing is to be sent at once: what is still held back follows when the shard has its synchronous standby."""
    current = observed.objects.settings
    held_back = {shard: find_changes(has, _build_settings(shard, wanted, observed)) for shard, has in current.items()}
    waiting = ", ".join(sorted(shard for shard, changes in held_back.items() if changes))
    message = f"no synchronous standby yet: {waiting}"
    return Wait("NoSynchronousStandby", message, LOOK_AGAIN_SECONDS) if waiting else Settled()


def _configure(wanted: Wanted, observed: Observed) -> Iterator[steps.ConfigureShard]:
    for shard in wanted.shards:
        settings = _build_settings(shard, wanted, observed)
        current = observed.objects.settings.get(shard)
        member = _choose_member(shard, observed.objects.pods)
        if current is None or member is None:
            continue
        found = observed.shards.get(shard)
        is_protected = found is not None and found.has_synchronous_standby
        changes = find_changes(current, settings if is_protected else _as_if_unprotected(settings))
        if changes:
            yield steps.ConfigureShard(shard, member.name, changes)


def _build_settings(shard: str, wanted: Wanted, observed: Observed) -> Settings:
    """A parameter that the user has taken out again is None, which Patroni drops; timings go back to the shortest."""
    size, current = find_storage_size(shard, wanted, observed), observed.objects.settings.get(shard, {})
    settings = build_cluster_settings(wanted.durability, wanted.members, size, wanted.parameters, wanted.failover)
    engine, taken_out = settings["postgresql"], dict.fromkeys(current.get(OF_USER, ()))
    shortest = {**build_timings(Failover()), HAS_TIMINGS: None} if HAS_TIMINGS in current else {}
    return {**shortest, **settings, "postgresql": {**engine, "parameters": {**taken_out, **engine["parameters"]}}}


def _check_parameters(todo: tuple[steps.ConfigureShard, ...], wanted: Wanted) -> tuple[steps.CheckParameters, ...]:
    """By the first shard, for all: they run the same server."""
    sent = {name for step in todo for name in step.settings.get("postgresql", {}).get("parameters", {})}
    ours = {name: value for name, value in wanted.parameters.items() if name in sent}
    return (steps.CheckParameters(todo[0].shard, ours),) if ours else ()


def find_changes(current: Settings, wanted: Settings) -> dict[str, Any]:
    """The part of `wanted` that `current` does not have so, mapping by mapping."""
    changes: dict[str, Any] = {}
    for key, value in wanted.items():
        has = current.get(key)
        if isinstance(value, Mapping):
            if inner := find_changes(has if isinstance(has, Mapping) else {}, value):
                changes[key] = inner
        elif has != value:
            changes[key] = value
    return changes


def _as_if_unprotected(settings: Settings) -> Settings:
    """To throw nothing away, and to promote nobody who lags, is right at any time; to begin with it waits."""
    engine = {key: value for key, value in settings["postgresql"].items() if key not in DISCARDING or not value}
    cautious = {key: value for key, value in settings.items() if (key, value) != (MOST_LAG, ANY_LAG_BYTES)}
    return {**cautious, "postgresql": engine}


def _choose_member(shard: str, pods: tuple[Pod, ...]) -> Pod | None:
    """Any member takes settings; one that is ready answers, and the primary is the last to be taken away."""
    members = [pod for pod in pods if pod.shard == shard]
    return min(members, key=lambda pod: (not pod.is_ready, pod.role != "primary", pod.name), default=None)
