"""How far an expansion is, for people: groups, buckets, rows, pauses. Pure."""

from collections.abc import Sequence

from caisson_operator.api.conditions import tell
from caisson_operator.api.sharded_database_status import (
    BucketCounts,
    ExpansionPhase,
    ExpansionStatus,
    SwitchGroupCounts,
    SwitchPause,
)
from caisson_operator.core.decisions import Decision, Refuse

from .copy_progress import measure_copy
from .observed import Expansion, Observed, find_latest, owners
from .switch_groups import GroupView, Stage, read_stage, view_groups
from .wanted import Wanted


def build_expansion(wanted: Wanted, observed: Observed, decision: Decision) -> ExpansionStatus | None:
    if min(wanted.shards) not in observed.shards:
        return _keep_last_seen(wanted, observed)
    expansion = find_latest(observed)
    if (expansion is None or expansion.is_finished) and _is_growing(wanted, observed):
        return _announce(expansion, observed, wanted, decision)
    if expansion is None:
        return None
    views = view_groups(expansion, observed.shards)
    stages = [read_stage(view) for view in views]
    reason, message = tell(decision)
    pauses = [v.record.pause_milliseconds or 0 for v in views if v.record and v.record.switched_at]
    phase = _phase(expansion, stages, reason)
    progress = measure_copy(views, len(expansion.groups))
    elapsed = (observed.now - expansion.started_at).total_seconds()
    return ExpansionStatus(
        id=expansion.number,
        phase=phase,
        from_shards=expansion.from_shards,
        to_shards=expansion.to_shards,
        switch_groups=_count_groups(expansion, stages),
        buckets=_count_buckets(expansion, views, stages),
        rows_copied=progress.rows,
        rows_total=progress.rows_total,
        copy_seconds_left=progress.estimate_seconds_left(elapsed) if _is_first_wave(phase, stages) else None,
        lag_bytes=max((view.lag_bytes for view in views), default=0),
        switch_pause_milliseconds=SwitchPause(last=_last_pause(views), max=round(max(pauses, default=0))),
        mismatches=sum(view.record.mismatches for view in views if view.record),
        started_at=expansion.started_at,
        finished_at=expansion.finished_at,
        message=(message if not expansion.is_finished else "completed")[:2000],
    )


def _is_first_wave(phase: ExpansionPhase, stages: Sequence[Stage]) -> bool:
    """Once a group has switched, the pace so far is not that of copying alone."""
    return phase is ExpansionPhase.COPYING and not any(stage >= Stage.OPEN for stage in stages)


def _keep_last_seen(wanted: Wanted, observed: Observed) -> ExpansionStatus | None:
    """The first shard keeps the record of an expansion: while it is out of reach, one that runs has not gone away."""
    seen = observed.recorded.running_expansion
    if seen is None:
        return observed.recorded.expansion
    message = f"as last seen: shard {min(wanted.shards)}, which keeps its record, cannot be reached"
    return seen.model_copy(update={"message": message, "copy_seconds_left": None})


def _is_growing(wanted: Wanted, observed: Observed) -> bool:
    """Every bucket has an owner, and a wanted shard has none: one that merely cannot be reached is no new shard."""
    held = owners(observed.shards)
    is_known = all(bucket in held for group in wanted.groups.values() for bucket in group.all_buckets())
    return is_known and 0 < len(set(held.values())) < len(wanted.shards)


def _announce(last: Expansion | None, observed: Observed, wanted: Wanted, decision: Decision) -> ExpansionStatus:
    """Not recorded yet: new shards are being made."""
    is_there = all(name in observed.shards for name in wanted.shards)
    _, message = tell(decision)
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


def _last_pause(views: Sequence[GroupView]) -> int:
    switched = [view.record for view in views if view.record and view.record.switched_at]
    last = max(switched, key=lambda record: record.switched_at or record.copy_started_at, default=None)
    return round(last.pause_milliseconds or 0) if last else 0
