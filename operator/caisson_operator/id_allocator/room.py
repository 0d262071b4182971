"""The room of IdAllocator as the frame sees it: observe, decide, act, build_status (core/room.py)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from caisson_operator.api.id_allocator_status import IdAllocatorStatus
from caisson_operator.api.resource import IdAllocator
from caisson_operator.core.decisions import Decision, Step
from caisson_operator.core.images import Images
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.room_context import RoomContext

from . import steps
from .act_on_certificates import create_authority, issue
from .decide import decide
from .manifests import build_own_cluster, build_token
from .observe import observe_allocator
from .observed import Observed
from .status import build_status
from .wanted import Wanted, read_wanted

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class IdAllocatorRoom:
    kube: KubeApi
    images: Images
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def observe(self, resource: IdAllocator) -> Observed:
        return await observe_allocator(self.kube, self._read(resource), self.clock())

    def decide(self, resource: IdAllocator, observed: Observed) -> Decision:
        return decide(self._read(resource), observed)

    async def act(self, resource: IdAllocator, step: Step) -> None:
        match step:
            case steps.MakeCluster():
                await self.kube.create_once(build_own_cluster(self._read(resource)))
            case steps.MakeToken():
                made = secrets.token_urlsafe(TOKEN_BYTES)
                await self.kube.create_once(build_token(self._read(resource), made))
            case steps.MakeAuthority():
                await create_authority(self.kube, self._read(resource), self.clock())
            case steps.IssueCertificate():
                await issue(self.kube, self._read(resource), self.clock())
            case steps.Apply():
                for manifest in step.manifests:
                    await self.kube.apply(manifest)
            case _:
                raise TypeError(f"no step of this room: {step!r}")

    def build_status(self, resource: IdAllocator, observed: Observed, decision: Decision) -> IdAllocatorStatus:
        return build_status(self._read(resource), observed, decision)

    async def close(self) -> None:
        """Nothing is held open."""

    def _read(self, resource: IdAllocator) -> Wanted:
        return read_wanted(resource, self.images)


def build_room(context: RoomContext) -> IdAllocatorRoom:
    return IdAllocatorRoom(context.kube, context.images)
