"""Metrics of BackingCluster: who serves, under which epoch, and how often the leader has changed."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge


class BackingMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["cluster"]
        self._changes = Counter(
            "caisson_backing_leader_changes", "Changes of a backing cluster's leader", labels, registry=registry
        )
        self._certificate_ends = Gauge(
            "caisson_backing_certificate_end_seconds",
            "When the certificate of a backing cluster's servers runs out, in seconds since 1970",
            labels,
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"caisson_backing_{name}", text, labels, registry=registry)
            for name, text in (
                ("members", "Members that there are to be"),
                ("members_ready", "Members that serve"),
                ("leader_lost", "1 while a cluster that has served has no leader"),
                ("member_lost", "1 while a member's volume is gone for good"),
                ("epoch", "The highest number that was given to a primary of Redis"),
            )
        }

    def publish(self, place: str, status: Mapping[str, Any]) -> None:
        """The counter begins at 0, since a rise is not seen of one that begins with its first change."""
        self._changes.labels(place)
        conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        self._gauges["members"].labels(place).set(status.get("memberCount", 0))
        self._gauges["members_ready"].labels(place).set(status.get("readyMembers", 0))
        self._gauges["leader_lost"].labels(place).set(conditions.get("LeaderLost") == "True")
        self._gauges["member_lost"].labels(place).set(conditions.get("MemberLost") == "True")
        self._gauges["epoch"].labels(place).set(status.get("epoch", 0))
        if "certificateEnds" in status:
            self._certificate_ends.labels(place).set(datetime.fromisoformat(status["certificateEnds"]).timestamp())

    def count(self, place: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """A leader that was another one before, or that leads again under another epoch."""
        before, now = earlier.get("lastLeader"), status.get("leader")
        if before and now and (before != now or earlier.get("epoch") != status.get("epoch")):
            self._changes.labels(place).inc()

    def forget(self, place: str) -> None:
        """Gauges end with the resource; the counter stays, for what it counts has happened."""
        for gauge in self._gauges.values():
            gauge.remove(place)
        with suppress(KeyError):  # one that never had any
            self._certificate_ends.remove(place)
