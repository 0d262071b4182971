"""Prometheus metrics. What a status says is published from the status; what happens is counted where it happens."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from caisson_operator.core.news import find_new_failovers

from .failover_metrics import FailoverMetrics

_PAUSE_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0, 5.0)
_BUCKET_STATES = ("total", "moved")


class Metrics:
    """All metrics of one operator, on a registry of its own, so that two in one process (tests) do not collide."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.reconciles = Counter(
            "caisson_reconcile", "Reconciles by result", ["kind", "result"], registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            "caisson_reconcile_duration_seconds", "Time of one reconcile", ["kind"], registry=self.registry
        )
        self.watch_age = Gauge(
            "caisson_watch_last_event_age_seconds",
            "Seconds since the last watch event",
            ["kind"],
            registry=self.registry,
        )
        self.is_leader = Gauge("caisson_operator_is_leader", "1 on the replica that leads", registry=self.registry)
        self._shards = ShardMetrics(self.registry)
        self._failovers = FailoverMetrics(self.registry)
        self.expansion = ExpansionMetrics(self.registry)

    def publish_status(self, database: str, status: Mapping[str, Any]) -> None:
        """`database` is `namespace/name`; `status` as it is written to the API server."""
        self._shards.publish(database, status.get("shards", ()))
        self._failovers.publish(database, status)
        self.expansion.publish(database, status.get("expansion"))

    def publish_news(self, database: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Once `status` has been written in place of `earlier`: what is new in it is counted."""
        self._failovers.count(database, find_new_failovers(earlier, status))

    def forget(self, database: str) -> None:
        """The resource is gone: its series end instead of standing still for ever."""
        self._shards.publish(database, ())
        self._failovers.forget(database)
        self.expansion.publish(database, None)


class ShardMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["database", "shard"]
        self._timeline = Gauge(
            "caisson_shard_primary_epoch", "PostgreSQL timeline of the primary", labels, registry=registry
        )
        self._ready = Gauge("caisson_shard_members_ready", "Members that are ready", labels, registry=registry)
        self._timelines: dict[tuple[str, str], int] = {}

    def publish(self, database: str, shards: Any) -> None:
        present = {(database, str(shard["name"])) for shard in shards}
        for key in [key for key in self._timelines if key[0] == database and key not in present]:
            self._remove(key)
        for shard in shards:
            self._publish_shard((database, str(shard["name"])), shard)

    def _publish_shard(self, key: tuple[str, str], shard: Mapping[str, Any]) -> None:
        self._ready.labels(*key).set(shard.get("readyMembers", 0))
        timeline = int(shard.get("timeline") or self._timelines.get(key, 0))
        self._timelines[key] = timeline
        self._timeline.labels(*key).set(timeline)

    def _remove(self, key: tuple[str, str]) -> None:
        del self._timelines[key]
        self._ready.remove(*key)
        self._timeline.remove(*key)


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
