"""The only writer: does the steps of an expiry in their order, and stops at the first that fails."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from .decide import ExpireLeader, HideMember, Step, TouchSync
from .kube import Kube, NotFound

TOUCHED = "caisson.dev/early-expiry"
# For the standby's Patroni, which watches pods and records on two streams, to hear of the pod first. Not safety: two
# seconds are lost if it does not.
HIDING_SECONDS = 0.05


class NothingTouched(Exception):
    """The API server took a write and changed no version, so it would let the leader's own writes pass."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Writes for one shard, as one of its members."""

    kube: Kube
    scope: str
    name: str
    unix_nanoseconds: Callable[[], int] = time.time_ns

    async def apply(self, steps: tuple[Step, ...]) -> None:
        """Raises Conflict where somebody has written first, StoreError, NothingTouched."""
        for step in steps:
            await self.apply_step(step)

    async def apply_step(self, step: Step) -> None:
        match step:
            case TouchSync(version):
                await self.touch_sync(version)
            case HideMember(name):
                await self.hide_member(name)
            case ExpireLeader(version):
                await self.expire_leader(version)
            case _:
                assert_never(step)

    async def touch_sync(self, version: str) -> None:
        # A patch that changes nothing raises no version: the value has to be a new one each time.
        mark = {TOUCHED: f"{self.name} {self.unix_nanoseconds()}"}
        patch = {"metadata": {"resourceVersion": version, "annotations": mark}}
        touched = await self.kube.patch(f"endpoints/{self.scope}-sync", patch)
        if touched["metadata"]["resourceVersion"] == version:
            raise NothingTouched(f"endpoints/{self.scope}-sync still has the version {version}")

    async def hide_member(self, name: str) -> None:
        """A Patroni that lives after all writes its status again in its next cycle; a pod that is gone needs no hiding."""
        try:
            await self.kube.patch(f"pods/{name}", {"metadata": {"annotations": {"status": None}}})
        except NotFound:
            return
        await asyncio.sleep(HIDING_SECONDS)

    async def expire_leader(self, version: str) -> None:
        """The routing stays until the next leader's takes its place: taken out first, that would come a second late (kube-proxy)."""
        metadata = {"resourceVersion": version, "annotations": {"leader": None}}
        await self.kube.patch(f"endpoints/{self.scope}", {"metadata": metadata})
