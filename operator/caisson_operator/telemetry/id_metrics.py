"""Metrics of IdAllocator. What ids are handed out is counted where that happens (caisson.ids.server), not here."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge


class IdMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges = {
            name: Gauge(f"caisson_id_{name}", text, ["allocator"], registry=registry)
            for name, text in (
                ("ready", "1 while ids can be had"),
                ("servers_ready", "Servers that have ids to give"),
                ("worker_ids_leased", "Worker ids that have an owner, as a server last counted them"),
                ("worker_ids", "Worker ids of the layout; 0 where no server has told"),
                (
                    "clock_rollback_seen",
                    "1 while a server runs, and for an hour after any process has noted, that its wall clock went back",
                ),
            )
        }
        self._certificate_ends = Gauge(
            "caisson_id_server_certificate_end_seconds",
            "When the certificate of the servers runs out, in seconds since 1970",
            ["allocator"],
            registry=registry,
        )

    def publish(self, place: str, status: Mapping[str, Any]) -> None:
        conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        self._gauges["ready"].labels(place).set(conditions.get("Ready") == "True")
        self._gauges["servers_ready"].labels(place).set((status.get("server") or {}).get("ready", 0))
        server = status.get("server") or {}
        self._gauges["worker_ids_leased"].labels(place).set(server.get("leasedWorkerIds", 0))
        self._gauges["worker_ids"].labels(place).set(server.get("workerIds", 0))
        self._gauges["clock_rollback_seen"].labels(place).set(conditions.get("ClockRollback") == "True")
        if "certificateEnds" in server:
            self._certificate_ends.labels(place).set(datetime.fromisoformat(server["certificateEnds"]).timestamp())

    def count(self, place: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Nothing is counted by the operator."""

    def forget(self, place: str) -> None:
        for gauge in self._gauges.values():
            gauge.remove(place)
        with suppress(KeyError):  # an allocator without servers has none
            self._certificate_ends.remove(place)
