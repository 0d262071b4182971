"""Metrics of ShardedDatabase: its shards, its failovers and its expansion."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from caisson_operator.core.news import find_new_failovers

from .failover_metrics import FailoverMetrics

_PAUSE_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0, 5.0)
_BUCKET_STATES = ("total", "moved")


class DatabaseMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._shards, self._failovers = ShardMetrics(registry), FailoverMetrics(registry)
        self.expansion = ExpansionMetrics(registry)

    def publish(self, place: str, status: Mapping[str, Any]) -> None:
        self._shards.publish(place, status.get("shards", ()))
        self._failovers.publish(place, status)
        self.expansion.publish(place, status.get("expansion"))

    def count(self, place: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        self._failovers.count(place, find_new_failovers(earlier, status))

    def forget(self, place: str) -> None:
        self._shards.publish(place, ())
        self._failovers.forget(place)
        self.expansion.publish(place, None)


class ShardMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["database", "shard"]
        self._timeline = Gauge(
            "caisson_shard_primary_epoch", "PostgreSQL timeline of the primary", labels, registry=registry
        )
        self._ready = Gauge("caisson_shard_members_ready", "Members that are ready", labels, registry=registry)
        self._certificate_ends = Gauge(
            "caisson_shard_certificate_end_seconds",
            "When the certificate of the shard's members runs out, in seconds since 1970",
            labels,
            registry=registry,
        )
        self._timelines: dict[tuple[str, str], int] = {}

    def publish(self, database: str, shards: Any) -> None:
        present = {(database, str(shard["name"])) for shard in shards}
        for key in [key for key in self._timelines if key[0] == database and key not in present]:
            self._remove(key)
        for shard in shards:
            self._publish_shard((database, str(shard["name"])), shard)

    def _publish_shard(self, key: tuple[str, str], shard: Mapping[str, Any]) -> None:
        self._ready.labels(*key).set(shard.get("readyMembers", 0))
        if "certificateEnds" in shard:
            self._certificate_ends.labels(*key).set(datetime.fromisoformat(shard["certificateEnds"]).timestamp())
        timeline = int(shard.get("timeline") or self._timelines.get(key, 0))
        self._timelines[key] = timeline
        self._timeline.labels(*key).set(timeline)

    def _remove(self, key: tuple[str, str]) -> None:
        del self._timelines[key]
        self._ready.remove(*key)
        self._timeline.remove(*key)
        with suppress(KeyError):  # a shard that never had one
            self._certificate_ends.remove(*key)


class ExpansionMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._phase = Gauge(
            "caisson_expansion_phase",
            "1 for the phase that the expansion is in",
            ["database", "phase"],
            registry=registry,
        )
        self._buckets = Gauge("caisson_expansion_buckets", "Buckets by state", ["database", "state"], registry=registry)
        self._rows = Counter("caisson_expansion_rows_copied", "Rows copied", ["database"], registry=registry)
        self._lag = Gauge("caisson_expansion_lag_bytes", "Lag of the new shards", ["database"], registry=registry)
        self._mismatches = Counter(
            "caisson_expansion_verify_mismatches", "Rows found different", ["database"], registry=registry
        )
        self._pause = Histogram(
            "caisson_expansion_switch_pause_seconds",
            "How long writes to a bucket waited for its switch",
            ["database"],
            buckets=_PAUSE_BUCKETS,
            registry=registry,
        )
        self._phases: dict[str, str] = {}
        self._counted: dict[tuple[str, str, int], int] = {}

    def observe_switch_pause(self, database: str, seconds: float) -> None:
        """Called by the effect that switches, once for each switch group."""
        self._pause.labels(database).observe(seconds)

    def publish(self, database: str, expansion: Mapping[str, Any] | None) -> None:
        if expansion is None:
            self._end(database)
            return
        self._publish_phase(database, str(expansion["phase"]))
        for state in _BUCKET_STATES:
            self._buckets.labels(database, state).set(expansion.get("buckets", {}).get(state, 0))
        self._lag.labels(database).set(expansion.get("lagBytes", 0))
        self._count(self._rows, "rows", database, expansion["id"], expansion.get("rowsCopied", 0))
        self._count(self._mismatches, "mismatches", database, expansion["id"], expansion.get("mismatches", 0))

    def _publish_phase(self, database: str, phase: str) -> None:
        earlier = self._phases.get(database, phase)
        if earlier != phase:
            self._phase.remove(database, earlier)
        self._phase.labels(database, phase).set(1)
        self._phases[database] = phase

    def _end(self, database: str) -> None:
        """Gauges end; counters and the histogram stay, for what they count has happened."""
        phase = self._phases.pop(database, None)
        if phase is None:
            return
        self._phase.remove(database, phase)
        self._lag.remove(database)
        for state in _BUCKET_STATES:
            self._buckets.remove(database, state)

    def _count(self, counter: Counter, name: str, database: str, number: int, total: int) -> None:
        """A status tells totals of one expansion; a counter rises by what was added since the last look."""
        key = (name, database, number)
        counter.labels(database).inc(max(0, total - self._counted.get(key, 0)))
        self._counted[key] = max(total, self._counted.get(key, 0))
