"""The history of failovers, from what Patroni keeps and from what the operator saw of the leader before. Pure.

Patroni's history tells of each timeline that ended, when, and who was promoted then. Who had led the first one, how long
nobody led, why, and whether a commit is lost, is known only of what was watched: of the leader that the status spoke
of last (`status.shards[].leader`). An entry that stands in the status stays as it is, since the later look knows less.

What must hold:
- nothing is invented: a field that neither tells is left out;
- `leader` of a timeline is the one that was seen first on it, until the history has gone beyond: for a moment after a
  promotion the record names the new leader while the history still ends with the old timeline.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from caisson_operator.api.failover_status import (
    MAXIMUM_FAILOVERS,
    FailoverCause,
    FailoverStatus,
    LeaderStatus,
    SwitchoverStatus,
)
from caisson_operator.core.decisions import Decision, Settled, Wait

from .handover import Preparing, name_own_request
from .observed import Observed
from .patroni_state import HistoryLine, PatroniState
from .wanted import Wanted

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_AGAIN_SECONDS = 1.0
NOTHING_LOST = "none"


def list_failovers(wanted: Wanted, observed: Observed) -> tuple[FailoverStatus, ...]:
    """The last ten of all shards, newest first."""
    found = [entry for shard in wanted.shards for entry in _list_of_shard(shard, observed)]
    newest_first = sorted(found, key=lambda entry: (entry.at or LONG_AGO, entry.timeline_before), reverse=True)
    return tuple(newest_first[:MAXIMUM_FAILOVERS])


def follow_leader(shard: str, observed: Observed, decision: Decision) -> LeaderStatus | None:
    """The leader of the timeline with which the shard's history ends. None where nobody can be told for sure."""
    leader = _find_leader(shard, observed)
    is_to_move = isinstance(decision, Preparing) and decision.shard == shard
    return leader.model_copy(update={"is_requested": True}) if leader and is_to_move else leader


def _find_leader(shard: str, observed: Observed) -> LeaderStatus | None:
    state = observed.objects.patroni.get(shard)
    if state is None:
        return None
    known = observed.recorded.leaders.get(shard)
    if known is None or known.timeline != state.timeline:
        return _meet_leader(shard, observed, state)
    if state.leader not in ("", known.member):
        return known  # its successor's record is there before its history is
    return _look_at(known.member, observed, state, known)


def wait_for_history(observed: Observed) -> Decision:
    """Nothing wakes the operator when the new leader writes the history, a loop after its promotion."""
    states = observed.objects.patroni
    behind = [
        name for name, shard in observed.shards.items() if name in states and _is_behind(shard.timeline, states[name])
    ]
    message = f"the history of {', '.join(sorted(behind))} does not tell of its latest promotion yet"
    return Wait("HistoryBehind", message, LOOK_AGAIN_SECONDS) if behind else Settled()


def _is_behind(timeline: int, state: PatroniState) -> bool:
    return timeline > state.timeline


def _meet_leader(shard: str, observed: Observed, state: PatroniState) -> LeaderStatus | None:
    """At first sight of a timeline: by its record, if that cannot be the record of the next one."""
    member = state.leader or state.sync_leader
    found = observed.shards.get(shard)
    is_of_next = found.timeline != state.timeline if found else observed.objects.is_ready(member)
    return None if is_of_next or not member else _look_at(member, observed, state, None)


def _look_at(member: str, observed: Observed, state: PatroniState, known: LeaderStatus | None) -> LeaderStatus:
    """`known` is what was told of the same leader before."""
    is_lost = state.leader != member or not observed.objects.is_ready(member)
    was_asked = bool(known and known.is_requested)
    is_asked = state.is_asked_to_switch and state.asked_from in ("", member)
    standby = state.sync_standbys[0] if state.sync_leader == member and state.sync_standbys else None
    return LeaderStatus(
        member=member,
        timeline=state.timeline,
        synchronous_standby=standby,
        heard_at=state.renewed_at if is_lost else None,
        is_requested=True if is_asked or (is_lost and was_asked) else None,
    )


def _list_of_shard(shard: str, observed: Observed) -> Iterator[FailoverStatus]:
    state = observed.objects.patroni.get(shard)
    lines = state.history[-MAXIMUM_FAILOVERS:] if state else ()
    recorded = {entry.key: entry for entry in observed.recorded.failovers}
    for place, line in enumerate(lines):
        after = lines[place + 1].timeline if place + 1 < len(lines) else _timeline_now(shard, line, observed)
        kept = recorded.get((shard, line.timeline))
        if kept and _stands(kept, line):
            yield kept if kept.timeline_after else kept.model_copy(update={"timeline_after": after})
        else:
            yield _tell(shard, line, after, lines[place - 1].new_leader if place else "", observed)


def _stands(entry: FailoverStatus, line: HistoryLine) -> bool:
    """A shard that was made anew has timelines of the same numbers, and another history."""
    told = line.at.replace(microsecond=0) if line.at else None
    return entry.at == told and entry.to_member == (line.new_leader or None)


def _timeline_now(shard: str, line: HistoryLine, observed: Observed) -> int | None:
    """Where the last timeline that ended has led to, if the shard can be asked."""
    found = observed.shards.get(shard)
    return found.timeline if found and found.timeline > line.timeline else None


def _tell(shard: str, line: HistoryLine, after: int | None, leader_before: str, observed: Observed) -> FailoverStatus:
    seen = observed.recorded.leaders.get(shard)
    seen = seen if seen and seen.timeline == line.timeline else None
    before = leader_before or (seen.member if seen else "")
    request = _find_request(shard, line, observed.recorded.switchover)
    own_at = observed.asked_at.get(name_own_request(shard, line.timeline))
    asked_at = observed.asked_at.get(request.request) if request else own_at
    return FailoverStatus(
        shard=shard,
        at=line.at.replace(microsecond=0) if line.at else None,
        from_member=before or None,
        to_member=line.new_leader or None,
        timeline_before=line.timeline,
        timeline_after=after,
        duration_seconds=_measure(line, seen, asked_at),
        cause=_find_cause(line, before, seen, is_asked=bool(request or own_at), observed=observed),
        lost=_tell_loss(line, before, seen, observed.objects.is_synchronous(shard)),
    )


def _find_request(shard: str, line: HistoryLine, asked: SwitchoverStatus | None) -> SwitchoverStatus | None:
    is_it = asked and (asked.shard, asked.timeline_before) == (shard, line.timeline)
    return asked if is_it and asked and asked.to_member == line.new_leader else None


def _measure(line: HistoryLine, seen: LeaderStatus | None, asked_at: datetime | None) -> float | None:
    """Clocks of several nodes are compared: one that is behind would make a figure that cannot be."""
    began = asked_at or (seen.heard_at if seen else None)
    if line.at is None or began is None:
        return None
    seconds = (line.at - began).total_seconds()
    return round(seconds, 1) if seconds >= 0 else None


def _find_cause(
    line: HistoryLine, before: str, seen: LeaderStatus | None, is_asked: bool, observed: Observed
) -> FailoverCause | None:
    if is_asked or (seen and seen.is_requested):
        return FailoverCause.SWITCHOVER
    if before and before == line.new_leader:
        return FailoverCause.PRIMARY_RESTARTED
    is_gone = seen and (seen.heard_at or not observed.objects.is_ready(seen.member))
    return FailoverCause.PRIMARY_LOST if is_gone else None


def _tell_loss(line: HistoryLine, before: str, seen: LeaderStatus | None, is_synchronous: bool) -> str | None:
    """Of what nobody watched nothing is said."""
    if before and before == line.new_leader:
        return NOTHING_LOST  # it has all that it has acknowledged
    if seen is None:
        return None
    if not is_synchronous:
        return "unknown: the shard is asynchronous, so its last commits may not have reached the standby"
    if seen.synchronous_standby == line.new_leader:
        return NOTHING_LOST
    return "unknown: the operator last saw another member, or none, that had every acknowledged commit"
