"""Each step about a single member's pod or claim, as the effect that carries it out. No decision is made here.

Each names the very object that was seen, by its uid: to repeat one never touches the pod or the claim that came after.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import ASK_AGAIN_SECONDS, NOT_GROWN, GrowVolume

from .kube import Conflict, KubeApi, KubeError, ObjectRef

LOOK_AGAIN_SECONDS = 2.0
REFUSED = (403, 422)  # what admission, a quota or the class of storage says no with


@dataclass(slots=True)
class MemberActor:
    """Keeps what was refused a while ago, so that it is not asked all the time; a crash only has it asked once more."""

    kube: KubeApi
    clock: Callable[[], datetime]
    _refusals: dict[tuple[str, str, str], tuple[datetime, str]] = field(default_factory=dict)

    def recall_refusals(self, namespace: str, size: str) -> dict[str, str]:
        """Claim -> why it could not grow to this size. Not for ever: a class of storage, or a quota, may change."""
        limit, now = timedelta(seconds=ASK_AGAIN_SECONDS), self.clock()
        self._refusals = {of: refusal for of, refusal in self._refusals.items() if now - refusal[0] < limit}
        found = self._refusals.items()
        return {claim: told for (at, claim, wanted), (_, told) in found if (at, wanted) == (namespace, size)}

    async def evict(self, namespace: str, member: str, uid: str) -> None:
        if not await self.kube.evict(ObjectRef("v1", "Pod", namespace, member), uid):
            message = f"a PodDisruptionBudget keeps {member} from being restarted now"
            raise HeldUp("EvictionRefused", message, LOOK_AGAIN_SECONDS)

    async def grow(self, namespace: str, step: GrowVolume) -> None:
        """Whether a class of storage can grow, only the API server says: classes belong to the cluster."""
        claim = ObjectRef("v1", "PersistentVolumeClaim", namespace, step.claim)
        change = {"metadata": {"uid": step.uid}, "spec": {"resources": {"requests": {"storage": step.size}}}}
        try:
            await self.kube.merge_patch(claim, change)
        except KubeError as error:
            if error.status not in REFUSED:
                raise
            told = f"{step.claim} cannot grow to {step.size}: {error}"
            self._refusals[(namespace, step.claim, step.size)] = (self.clock(), told)
            raise HeldUp(NOT_GROWN, told, LOOK_AGAIN_SECONDS) from error

    async def replace(self, namespace: str, step: ReplaceMember) -> None:
        """The claim first: it goes once no pod uses it, and the next pod is then given a new one."""
        with contextlib.suppress(Conflict):  # the claim is a new one already
            await self.kube.delete(ObjectRef("v1", "PersistentVolumeClaim", namespace, step.claim), step.claim_uid)
        await self.evict(namespace, step.member, step.uid)
