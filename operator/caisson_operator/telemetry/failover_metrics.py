"""Metrics of failovers: counted when one is new in a status, and whether the next one could be done."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
        self._conditions = {
            name: Gauge(metric, text, ["database"], registry=registry)
            for name, metric, text in (
                ("Unprotected", "caisson_unprotected", "1 while acknowledged writes of a shard are on one member only"),
                ("FailoverBlocked", "caisson_failover_blocked", "1 while a shard has no primary and nobody may lead"),
            )
        }

    def count(self, database: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Entries of `status.failovers` that are new, each once."""
        for entry in entries:
            cause = str(entry.get("cause", "Unknown"))
            reason = cause if cause in REASONS else "Unknown"
            self._total.labels(database, str(entry["shard"]), reason).inc()
            if "durationSeconds" in entry:
                self._duration.labels(database).observe(float(entry["durationSeconds"]))

    def publish(self, database: str, status: Mapping[str, Any]) -> None:
        """Series begin at 0, since a rise is not seen of one that begins with its first failover."""
        for shard in status.get("shards", ()):
            for reason in REASONS:
                self._total.labels(database, str(shard["name"]), reason)
        found = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        for name, gauge in self._conditions.items():
            if name in found:
                gauge.labels(database).set(found[name] == "True")

    def forget(self, database: str) -> None:
        """Gauges end with the resource; counters stay, for what they count has happened."""
        for gauge in self._conditions.values():
            gauge.remove(database)
