"""What is new between two writings of a status, beside its conditions: worth an Event, and a count. Pure.

Told by the status alone, so that a restart tells nothing twice: what the status says already is not new.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .conditions import ConditionType, Transition

Status = Mapping[str, Any]
Entry = Mapping[str, Any]

_BAD_ENDS = ("Refused", "Failed")


@dataclass(frozen=True, slots=True)
class News:
    """One Event. `action` and `reason` are stable words, `note` is for people."""

    action: str
    reason: str
    note: str
    is_warning: bool


def tell_transition(transition: Transition) -> News:
    note = f"{transition.type} is {transition.status}. {transition.message}"
    return News(transition.type, transition.reason, note, transition.is_warning)


def find_no_news(earlier: Status, status: Status) -> list[News]:
    """Of a kind that has none beside its conditions."""
    return []


def find_failover_news(earlier: Status, status: Status) -> list[News]:
    """New failovers, oldest first, and what a switchover that was asked for has come to."""
    failovers = [_tell_failover(entry) for entry in reversed(find_new_failovers(earlier, status))]
    return [*failovers, *_find_switchover(earlier, status)]


def find_new_failovers(earlier: Status, status: Status) -> list[Entry]:
    """Entries of `status.failovers` that the earlier one did not have, newest first.

    Where the earlier status never spoke of failovers (it was deleted, or an older operator wrote it) nothing is new: the
    history then comes back as a whole.
    """
    if not any(condition["type"] == ConditionType.FAILOVER_BLOCKED for condition in earlier.get("conditions", ())):
        return []
    known = [(entry["shard"], entry["timelineBefore"]) for entry in earlier.get("failovers", ())]
    latest = {shard: max(timeline for of, timeline in known if of == shard) for shard, _ in known}
    return [entry for entry in status.get("failovers", ()) if entry["timelineBefore"] > latest.get(entry["shard"], 0)]


def _tell_failover(entry: Entry) -> News:
    cause = str(entry.get("cause", "Unknown"))
    whom = f"from {entry['from']} to {entry.get('to', '?')}" if "from" in entry else f"to {entry.get('to', '?')}"
    seconds = f" in {entry['durationSeconds']} s" if "durationSeconds" in entry else ""
    timelines = f"timeline {entry['timelineBefore']} to {entry.get('timelineAfter', '?')}"
    note = f"{entry['shard']} changed its leader {whom}{seconds} ({timelines}); lost: {entry.get('lost', 'unknown')}"
    return News("Failover", cause, note, is_warning=cause != "Switchover")


def _find_switchover(earlier: Status, status: Status) -> Iterator[News]:
    before, now = earlier.get("switchover") or {}, status.get("switchover") or {}
    if now and [now.get(name) for name in ("request", "phase")] != [before.get(name) for name in ("request", "phase")]:
        phase = str(now["phase"])
        note = f"request {now['request']} for {now.get('shard', 'no shard')}: {now.get('message', phase)}"
        yield News("Switchover", f"Switchover{phase}", note, is_warning=phase in _BAD_ENDS)
