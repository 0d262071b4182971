"""Prometheus metrics. What a status says is published from the status; what happens is counted where it happens."""

from collections.abc import Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .backing_metrics import BackingMetrics
from .database_metrics import DatabaseMetrics
from .id_metrics import IdMetrics
from .lock_metrics import LockMetrics


class KindMetrics(Protocol):
    """Of the resources of one kind. `place` is `namespace/name`; a status is as it is written to the API server."""

    def publish(self, place: str, status: Mapping[str, Any]) -> None:
        """What the status says stands."""
        ...

    def count(self, place: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Once `status` has been written in place of `earlier`: what is new in it is counted."""
        ...

    def forget(self, place: str) -> None:
        """The resource is gone: its series end instead of standing still for ever."""
        ...


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
        self.databases = DatabaseMetrics(self.registry)
        self._kinds: dict[str, KindMetrics] = {
            "BackingCluster": BackingMetrics(self.registry),
            "DistributedLock": LockMetrics(self.registry),
            "IdAllocator": IdMetrics(self.registry),
            "ShardedDatabase": self.databases,
        }

    def of(self, kind: str) -> KindMetrics:
        return self._kinds[kind]
