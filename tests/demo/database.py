"""One ShardedDatabase as its user sees it: applied, waited for, scaled, followed; and its pods, to be killed."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from demo.cluster import (
    REPOSITORY,
    Resource,
    TimedOutError,
    apply,
    describe_namespace,
    get,
    get_all,
    kubectl,
    wait_for,
)
from demo.release import operator_log
from demo.watching import follow_field

MANIFEST = REPOSITORY / "tests/demo/flights.yaml"
KIND = "shardeddatabase"


@dataclass(frozen=True, slots=True)
class Primary:
    """The pod that leads a shard, and Patroni's timeline, as Patroni itself tells them."""

    pod: str
    uid: str
    timeline: int


@dataclass(frozen=True, slots=True)
class Database:
    """A resource by its name."""

    namespace: str
    name: str = "flights"

    def apply(self, spec: Mapping[str, Any]) -> None:
        apply(json.dumps(self.manifest(spec)))

    def manifest(self, spec: Mapping[str, Any]) -> Resource:
        return {
            "apiVersion": "caisson.dev/v1alpha1",
            "kind": "ShardedDatabase",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": dict(spec),
        }

    def read(self) -> Resource:
        resource = get(KIND, self.name, self.namespace)
        if resource is None:
            raise LookupError(f"there is no ShardedDatabase {self.namespace}/{self.name}")
        return resource

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.read().get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """The condition of this type, {} where there is none yet; only if it speaks of the latest spec."""
        resource = self.read()
        for condition in resource.get("status", {}).get("conditions", []):
            if condition["type"] == kind and is_current(resource, condition):
                return dict(condition)
        return {}

    def wait_condition(self, kind: str, status: str, seconds: float, reason: str = "") -> dict[str, Any]:
        def holds() -> dict[str, Any] | None:
            condition = self.condition(kind)
            return condition if condition.get("status") == status and reason in condition.get("reason", "") else None

        return wait_for(f"{kind}={status} {reason} of {self.name}", holds, seconds, self.explain)

    def wait_ready(self, seconds: float, shards: int | None = None) -> None:
        self.wait_condition("Ready", "True", seconds)
        if shards is not None:
            wait_for(f"{shards} shards", lambda: self.status().get("shardCount") == shards, seconds, self.explain)

    def scale(self, shards: int) -> None:
        kubectl("scale", f"sdb/{self.name}", f"--replicas={shards}", namespace=self.namespace)

    def expansion(self) -> dict[str, Any]:
        expansion: dict[str, Any] = self.status().get("expansion") or {}
        return expansion

    def follow_expansion(
        self, is_reached: Callable[[dict[str, Any]], bool], seconds: float, on_change: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Watches until the status of the expansion is as asked; changes are passed on. A failed one is an error."""
        seen: dict[str, Any] = {}
        try:
            for latest in follow_field(KIND, self.name, self.namespace, ".status.expansion", seconds):
                if latest != seen:
                    on_change(latest)
                seen = latest
                if is_reached(seen):
                    return seen
                if seen.get("phase") == "Failed":
                    raise RuntimeError(f"the expansion failed: {seen.get('message')}\n{self.explain()}")
        except TimedOutError as error:
            raise TimedOutError(f"{error}: the expansion is at {seen}\n{self.explain()}") from error
        raise LookupError(f"the watch of {self.name} ended")

    def primary(self, shard: str) -> Primary | None:
        """The leader of a shard as Patroni labels it; None while there is none.

        Of two the one on the later timeline: an old leader that hangs, or whose node is gone, keeps its label.
        """
        labels = {"caisson.dev/database": self.name, "caisson.dev/shard": shard, "caisson.dev/role": "primary"}
        found = []
        for pod in get_all("pods", self.namespace, labels):
            told = json.loads(pod["metadata"].get("annotations", {}).get("status", "{}"))
            if told.get("role") in ("primary", "master") and "timeline" in told:
                found.append(Primary(pod["metadata"]["name"], pod["metadata"]["uid"], int(told["timeline"])))
        return max(found, key=lambda primary: primary.timeline, default=None)

    def wait_primary(self, shard: str, seconds: float, is_wanted: Callable[[Primary], bool] = bool) -> Primary:
        def wanted() -> Primary | None:
            primary = self.primary(shard)
            return primary if primary and is_wanted(primary) else None

        return wait_for(f"a primary of {shard}", wanted, seconds, self.explain)

    def wait_standby(self, shard: str, primary: Primary, seconds: float) -> str:
        """The standby that has every acknowledged commit, as Patroni records it: without one nobody else may lead."""

        def recorded() -> str | None:
            sync = get("endpoints", f"{self.name}-{shard}-sync", self.namespace) or {}
            annotations = sync.get("metadata", {}).get("annotations", {})
            return annotations.get("sync_standby") if annotations.get("leader") == primary.pod else None

        return wait_for(f"a synchronous standby of {shard}", recorded, seconds, self.explain)

    def kill(self, primary: Primary) -> float:
        """As a node that dies would: at once, without a word. Returns the time, in seconds since 1970."""
        at = time.time()
        kubectl("delete", "pod", primary.pod, "--force", "--grace-period=0", "--wait=false", namespace=self.namespace)
        return at

    def explain(self) -> str:
        """What the resource, its namespace and the operator say, for a wait that failed."""
        status = json.dumps(self.status(), indent=1)
        return "\n".join((status, describe_namespace(self.namespace), "operator:", operator_log()))


def is_current(resource: Resource, condition: Mapping[str, Any]) -> bool:
    generation: int = resource["metadata"]["generation"]
    return bool(condition.get("observedGeneration", generation) >= generation)


def demo_spec(**changes: Any) -> dict[str, Any]:
    """The demo's spec, with some of its fields replaced."""
    spec: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())["spec"]
    return {**spec, **changes}
