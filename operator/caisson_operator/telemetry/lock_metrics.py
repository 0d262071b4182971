"""Metrics of DistributedLock: what is held and waited for, and the epoch of the tokens."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from caisson_operator.core.quantities import parse_duration_seconds


class LockMetrics:
    """`lock` is the lock space, as `namespace/name`: a series for each lock would have no bound."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["lock"]
        self._held = Gauge("caisson_lock_held", "Locks that are held", labels, registry=registry)
        self._waiting = Gauge("caisson_lock_waiting", "Claims that wait for a lock", labels, registry=registry)
        self._hold = Gauge("caisson_lock_hold_seconds", "The longest hold at present", labels, registry=registry)
        self._wait = Gauge("caisson_lock_wait_seconds", "The longest wait at present", labels, registry=registry)
        self._findings = {
            name: Gauge(f"caisson_lock_{name}", text, labels, registry=registry)
            for name, text in (
                ("ready", "1 while locks can be had"),
                ("backend_ready", "1 while the store of the locks answers"),
                ("epoch_not_raised", "1 while the store grants nothing until its epoch is raised"),
                ("stale_holder", "1 while somebody holds a lock past maxHold and a lease"),
            )
        }
        self._epoch = Gauge("caisson_lock_fencing_epoch", "Upper part of fencing tokens", labels, registry=registry)
        self._granted = Gauge(
            "caisson_lock_granted", "Locks granted since the space was made", labels, registry=registry
        )
        self._waited = Gauge("caisson_lock_waited", "Those that had to be waited for", labels, registry=registry)
        self._all = (self._held, self._waiting, self._hold, self._wait, self._epoch, self._granted, self._waited)

    def publish(self, place: str, status: Mapping[str, Any]) -> None:
        for name, is_so in find_findings(status).items():
            self._findings[name].labels(place).set(is_so)
        self._epoch.labels(place).set(status.get("epoch", 0))
        for gauge, name in (
            (self._held, "held"),
            (self._waiting, "waiting"),
            (self._granted, "granted"),
            (self._waited, "waited"),
        ):
            gauge.labels(place).set(status.get(name, 0))
        for gauge, name in ((self._hold, "longestHold"), (self._wait, "longestWait")):
            gauge.labels(place).set(parse_duration_seconds(status.get(name, "0s")))

    def count(self, place: str, earlier: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """The totals are the store's own."""

    def forget(self, place: str) -> None:
        for gauge in (*self._all, *self._findings.values()):
            gauge.remove(place)


def find_findings(status: Mapping[str, Any]) -> dict[str, bool]:
    """What the conditions say."""
    conditions = {each["type"]: each for each in status.get("conditions", ())}

    def has(kind: str) -> bool:
        return bool(conditions.get(kind, {}).get("status") == "True")

    return {
        "ready": has("Ready"),
        "backend_ready": has("BackendReady"),
        "epoch_not_raised": not has("Ready") and conditions.get("Ready", {}).get("reason") == "EpochNotRaised",
        "stale_holder": has("StaleHolder"),
    }
