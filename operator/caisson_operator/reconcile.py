"""The frame around a room: load, observe, decide, act, write the status once, say when to look again.

The only place where a failure of any sort is turned into a status. It is then raised on, so that the queue backs off.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from caisson_operator.api.resource import InvalidResource
from caisson_operator.core.conditions import keep_transition_times, observed_transitions
from caisson_operator.core.decisions import Decision, HeldUp, Plan, Refuse, Refused, Settled, Wait
from caisson_operator.core.failures import failure_status
from caisson_operator.core.news import News, tell_transition
from caisson_operator.core.room import Room
from caisson_operator.effects.kube import KubeApi, KubeError, Manifest, ObjectRef
from caisson_operator.effects.kube_events import post_event
from caisson_operator.kind import Kind
from caisson_operator.telemetry.logs import log_event, redact
from caisson_operator.telemetry.metrics import Metrics

Resource = TypeVar("Resource")
Observed = TypeVar("Observed")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """One custom resource."""

    kind: str
    namespace: str
    name: str

    @property
    def place(self) -> str:
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.place}"


class Reconciler(Generic[Resource, Observed]):
    """Runs one room's reconciles. Keeps nothing between them but what was logged last, so as to log it once."""

    def __init__(
        self,
        kind: Kind[Resource],
        room: Room[Resource, Observed, BaseModel],
        kube: KubeApi,
        metrics: Metrics,
        identity: str,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kind, self._room, self._kube, self._metrics = kind, room, kube, metrics
        self._identity, self._wall_clock = identity, wall_clock
        self._told: dict[Key, tuple[str, str]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Seconds until the next look, or None: the next event or resync. Raises what the room raised."""
        began = time.monotonic()
        result = "error"
        try:
            again_after = await self._reconcile(key)
            result = "success"
            return again_after
        finally:
            self._metrics.reconciles.labels(self._kind.name, result).inc()
            self._metrics.reconcile_seconds.labels(self._kind.name).observe(time.monotonic() - began)

    async def _reconcile(self, key: Key) -> float | None:
        manifest = await self._kube.get(ObjectRef(self._kind.api_version, self._kind.name, key.namespace, key.name))
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self._forget(key)
            return None
        try:
            resource = self._kind.load(manifest)
        except InvalidResource as error:
            await self._write_status(manifest, failure_status(manifest, "SpecInvalid", str(error)))
            return None
        return await self._run(key, manifest, resource)

    async def _run(self, key: Key, manifest: Manifest, resource: Resource) -> float | None:
        try:
            decision, observed = await self._observe_and_act(key, resource)
            status = self._room.build_status(resource, observed, decision)
        except Exception as error:
            await self._report(key, manifest, error)
            raise
        await self._write_status(manifest, status.model_dump(mode="json", by_alias=True, exclude_none=True))
        return _again_after(decision)

    async def _observe_and_act(self, key: Key, resource: Resource) -> tuple[Decision, Observed]:
        observed = await self._room.observe(resource)
        decision = self._room.decide(resource, observed)
        self._tell(key, decision)
        if not isinstance(decision, Plan):
            return decision, observed
        stopped = await self._act(key, resource, decision)
        if stopped is not None:
            self._tell(key, stopped)
        return stopped or decision, await self._room.observe(resource)

    async def _act(self, key: Key, resource: Resource, plan: Plan) -> Wait | Refuse | None:
        for step in plan.steps:
            began = time.monotonic()
            try:
                await self._room.act(resource, step)
            except HeldUp as held_up:
                return Wait(held_up.reason, str(held_up), held_up.seconds)
            except Refused as refused:
                return Refuse(refused.reason, refused.message)
            seconds = round(time.monotonic() - began, 3)
            self._log(logging.INFO, "step_done", key, step=type(step).__name__, reason=plan.reason, seconds=seconds)
        return None

    async def _report(self, key: Key, manifest: Manifest, error: Exception) -> None:
        message = redact(f"{type(error).__name__}: {error}")
        self._log(logging.ERROR, "reconcile_failed", key, error=message)
        try:
            await self._write_status(manifest, failure_status(manifest, "ReconcileFailed", message))
        except KubeError as unwritten:
            self._log(logging.WARNING, "status_not_written", key, error=str(unwritten))

    async def _write_status(self, manifest: Manifest, status: dict[str, Any]) -> None:
        earlier: dict[str, Any] = manifest.get("status") or {}
        metadata, now = manifest["metadata"], self._wall_clock()
        before = earlier.get("conditions", [])
        generation = metadata["generation"]
        conditions = [{**condition, "observedGeneration": generation} for condition in status.get("conditions", [])]
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = {
            **status,
            "observedGeneration": generation,
            "conditions": keep_transition_times(before, conditions, stamp),
        }
        place = f"{metadata['namespace']}/{metadata['name']}"
        published = self._metrics.of(self._kind.name)
        published.publish(place, wanted)
        if wanted == earlier:
            return
        identity = {"name": metadata["name"], "namespace": metadata["namespace"]}
        head = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": identity}
        await self._kube.apply_status({**head, "status": wanted})
        published.count(place, earlier, wanted)
        transitions = [tell_transition(transition) for transition in observed_transitions(before, conditions)]
        for news in [*transitions, *self._kind.find_news(earlier, wanted)]:
            await self._announce(manifest, news, now)

    async def _announce(self, manifest: Manifest, news: News, now: datetime) -> None:
        """An Event is news, not state: one that cannot be posted is logged and lost."""
        try:
            await post_event(self._kube, manifest, news, self._identity, now)
        except KubeError as error:
            log_event(_log, logging.WARNING, "event_not_posted", reason=news.reason, error=str(error))

    def _tell(self, key: Key, decision: Decision) -> None:
        """Every decision once, with its reason; the same one again is no news."""
        name = type(decision).__name__.lower()
        reason, message = ("", "") if isinstance(decision, Settled) else (decision.reason, decision.message)
        if self._told.get(key) != (name + reason, message):
            self._told[key] = (name + reason, message)
            self._log(logging.INFO, "decided", key, decision=name, reason=reason, message=redact(message))

    def _forget(self, key: Key) -> None:
        self._told.pop(key, None)
        self._metrics.of(self._kind.name).forget(key.place)

    def _log(self, level: int, event: str, key: Key, **fields: Any) -> None:
        log_event(_log, level, event, kind=self._kind.name, namespace=key.namespace, name=key.name, **fields)


def _again_after(decision: Decision) -> float | None:
    match decision:
        case Plan():
            return 0.0
        case Wait(seconds=seconds):
            return seconds
        case Refuse() | Settled():
            return None
