"""Metrics of failovers: counted when one is new in a status, when the last ones were, and whether the next one could be done."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from caisson_operator.core.conditions import WRITES_WAIT, ConditionType

REASONS = ("PrimaryLost", "PrimaryRestarted", "Switchover", "Unknown")
_DURATION_BUCKETS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)


class FailoverMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["database", "shard", "reason"]
        self._total = Counter("caisson_failover", "Changes of a shard's leader, by cause", labels, registry=registry)
        self._duration = Histogram(
            "caisson_failover_duration_seconds",
            "From the last sign of life of the old leader, or the request of a switchover, to the promotion",
            ["database"],
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        # Of the status and not of the counter: an operator that takes over counts the failover that came with its own
        # lead before anybody scrapes it, and the counter of a series that begins with 1 shows no rise.
        self._last = Gauge(
            "caisson_failover_last_time_seconds",
            "When a shard's leader changed last for this cause, in seconds since 1970, by the clock of the new one's node",
            labels,
            registry=registry,
        )
        self._last_of: set[tuple[str, str, str]] = set()
        self._conditions = {
            name: Gauge(metric, text, ["database"], registry=registry)
            for name, metric, text in (
                (
                    ConditionType.UNPROTECTED,
                    "caisson_unprotected",
                    "1 while acknowledged writes of a shard are on one member only",
                ),
                (
                    ConditionType.FAILOVER_BLOCKED,
                    "caisson_failover_blocked",
                    "1 while a shard has no primary and nobody may lead",
                ),
                (ConditionType.MEMBER_LOST, "caisson_member_lost", "1 while a member's volume is gone for good"),
            )
        }
        self._writes_waiting = Gauge(
            "caisson_writes_waiting",
            "1 while the writes of a shard wait, since it is strict and has no synchronous standby",
            ["database"],
            registry=registry,
        )

    def count(self, database: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Entries of `status.failovers` that are new, each once."""
        for entry in entries:
            self._total.labels(database, str(entry["shard"]), _find_reason(entry)).inc()
            if "durationSeconds" in entry:
                self._duration.labels(database).observe(float(entry["durationSeconds"]))

    def publish(self, database: str, status: Mapping[str, Any]) -> None:
        """Series begin at 0, since a rise is not seen of one that begins with its first failover."""
        for shard in status.get("shards", ()):
            for reason in REASONS:
                self._total.labels(database, str(shard["name"]), reason)
        self._publish_conditions(database, {found["type"]: found for found in status.get("conditions", ())})
        self._publish_last(database, status.get("failovers", ()))

    def _publish_conditions(self, database: str, found: Mapping[str, Mapping[str, Any]]) -> None:
        """A status that says nothing of one, as that of a failed reconcile, leaves it as it was."""
        for name, gauge in self._conditions.items():
            if name in found:
                gauge.labels(database).set(found[name]["status"] == "True")
        if unprotected := found.get(ConditionType.UNPROTECTED):
            self._writes_waiting.labels(database).set(unprotected.get("reason") == WRITES_WAIT)

    def _publish_last(self, database: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """The list is short: a cause that has left it keeps its time."""
        latest: dict[tuple[str, str, str], float] = {}
        for entry in entries:
            if "at" in entry:
                key = (database, str(entry["shard"]), _find_reason(entry))
                latest[key] = max(latest.get(key, 0.0), datetime.fromisoformat(entry["at"]).timestamp())
        for key, seconds in latest.items():
            self._last_of.add(key)
            self._last.labels(*key).set(seconds)

    def forget(self, database: str) -> None:
        """Gauges end with the resource; counters stay, for what they count has happened."""
        for gauge in (*self._conditions.values(), self._writes_waiting):
            gauge.remove(database)
        for key in [key for key in self._last_of if key[0] == database]:
            self._last_of.remove(key)
            self._last.remove(*key)


def _find_reason(entry: Mapping[str, Any]) -> str:
    cause = str(entry.get("cause", "Unknown"))
    return cause if cause in REASONS else "Unknown"
