"""Reads only: the backend by its own resource and binding, the space in its store, and our Secret."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from caisson_operator.core.content import content_of
from caisson_operator.core.decisions import Refuse, Settled, Wait
from caisson_operator.core.lock_space import StoreUnreachable, StoreUnusable
from caisson_operator.effects.backends import observe_backend
from caisson_operator.effects.kube import KubeApi, ObjectRef
from caisson_operator.effects.locks import Entries, read_space

from .backends import judge, read_backend
from .observed import Observed
from .wanted import Wanted


async def observe_lock(kube: KubeApi, wanted: Wanted, status: Mapping[str, Any], now: datetime) -> Observed:
    """A store that cannot be read is a finding, not a failure."""
    secret = await kube.get(ObjectRef("v1", "Secret", wanted.owner.namespace, wanted.binding))
    contents = {("Secret", wanted.binding): content_of(secret)} if secret else {}
    entries, trouble = await find_backend(kube, wanted)
    observed = Observed(now, contents, entries, trouble, status=status)
    if entries is None:
        return observed
    try:
        return replace(observed, space=await read_space(str(wanted.backend), entries, wanted.space))
    except StoreUnreachable as error:
        return replace(
            observed, trouble=Wait("BackendUnreachable", f"the store of the locks gave no answer: {error}", 5.0)
        )
    except StoreUnusable as error:
        return replace(observed, trouble=Wait("BackendUnusable", str(error), 30.0))


async def find_backend(kube: KubeApi, wanted: Wanted) -> tuple[Entries | None, Wait | Refuse | None]:
    """The entries of the backend's binding, or why there are none."""
    seen = await observe_backend(kube, read_backend(wanted), wanted.owner.namespace)
    decision = judge(wanted, seen)
    if isinstance(decision, Settled):
        return seen.entries, None
    assert isinstance(decision, Wait | Refuse), "a judgement asks for no step"
    return None, decision
