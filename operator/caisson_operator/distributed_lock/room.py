"""The room of DistributedLock as the frame sees it: observe, decide, act, build_status (core/room.py)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from caisson_operator.api.distributed_lock_status import DistributedLockStatus
from caisson_operator.api.resource import DistributedLock
from caisson_operator.core.decisions import Decision, HeldUp, Refused, Step
from caisson_operator.core.lock_space import StoreUnreachable, StoreUnusable
from caisson_operator.effects import locks
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.room_context import RoomContext

from . import steps
from .decide import LOOK_AGAIN_SECONDS, decide
from .observe import find_backend, observe_lock
from .observed import Observed
from .status import build_status
from .waits import find_longest_wait, note_waiting
from .wanted import Wanted, read_wanted


@dataclass(frozen=True, slots=True)
class DistributedLockRoom:
    """Keeps times only to measure waiting with: a crash loses a figure, nothing else."""

    kube: KubeApi
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _waiting: dict[str, dict[tuple[str, str], datetime]] = field(default_factory=dict)

    async def observe(self, resource: DistributedLock) -> Observed:
        wanted = read_wanted(resource)
        observed = await observe_lock(self.kube, wanted, resource.status, self.clock())
        seen = note_waiting(self._waiting.get(wanted.space, {}), observed.space, observed.now)
        self._waiting[wanted.space] = seen
        return replace(observed, longest_wait_seconds=find_longest_wait(seen, observed.now))

    def decide(self, resource: DistributedLock, observed: Observed) -> Decision:
        return decide(read_wanted(resource), observed)

    async def act(self, resource: DistributedLock, step: Step) -> None:
        wanted = read_wanted(resource)
        match step:
            case steps.Apply():
                await self.kube.apply(step.manifest)
            case _:
                await self._act_on_store(wanted, step)

    def build_status(self, resource: DistributedLock, observed: Observed, decision: Decision) -> DistributedLockStatus:
        return build_status(read_wanted(resource), observed, decision)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _act_on_store(self, wanted: Wanted, step: Step) -> None:
        """What the store answers is a finding, and no failure of the reconcile."""
        entries, trouble = await find_backend(self.kube, wanted)
        if entries is None:
            why = trouble.message if trouble else "the backend has gone"
            raise HeldUp(trouble.reason if trouble else "BackendNotReady", why, LOOK_AGAIN_SECONDS)
        try:
            match step:
                case steps.OpenSpace():
                    await locks.open_space(str(wanted.backend), entries, wanted.space, step.base)
                case steps.Release():
                    await locks.release(str(wanted.backend), entries, wanted.space, step.lock, step.highest_token)
                case _:
                    raise TypeError(f"no step of this room: {step!r}")
        except StoreUnreachable as error:
            raise HeldUp("BackendUnreachable", f"the store gave no answer: {error}", LOOK_AGAIN_SECONDS) from error
        except StoreUnusable as error:
            raise Refused("BackendUnusable", str(error)) from error


def build_room(context: RoomContext) -> DistributedLockRoom:
    return DistributedLockRoom(context.kube)
