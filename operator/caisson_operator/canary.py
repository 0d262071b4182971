"""A ConfigMap that the leader touches, in order to hear of it by its own watch: proof that the watch is not deaf."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kopf

from caisson_operator.effects.kube import KubeApi, KubeError, Manifest
from caisson_operator.telemetry.logs import log_event

CANARY_NAME = "caisson-canary"
TOUCH_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Canary:
    """`heard` is called for every event of the object that this very process has touched."""

    kube: KubeApi
    namespace: str
    identity: str
    heard: Callable[[], None]

    def register(self, registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings) -> None:
        settings.watching.field_selectors["configmaps"] = f"metadata.name={CANARY_NAME}"

        async def on_canary(body: Any, **_: Any) -> None:
            if (body.get("data") or {}).get("holder") == self.identity:
                self.heard()

        kopf.on.event("v1", "configmaps", registry=registry, id="canary")(on_canary)

    async def touch_forever(self) -> None:
        while True:
            try:
                await self.kube.apply(self._build(datetime.now(UTC)))
            except KubeError as error:
                log_event(_log, logging.WARNING, "canary_not_touched", error=str(error))
            await asyncio.sleep(TOUCH_SECONDS)

    def _build(self, now: datetime) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CANARY_NAME, "namespace": self.namespace},
            "data": {"holder": self.identity, "touched": now.isoformat()},
        }
