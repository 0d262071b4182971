"""Which kinds and namespaces a leader can look after. One that is missing must not keep it from the others."""

import asyncio
import logging
from dataclasses import dataclass

from caisson_operator.effects.kube import Forbidden, KubeApi, KubeError
from caisson_operator.kind import Kind, Kinds
from caisson_operator.telemetry.logs import log_event

LOOK_AGAIN_SECONDS = 2.0
LOOKS_FOR_MISSING_KINDS = 5
"""Definitions that are made together with the operator come one after the other; later ones begin it anew."""

Namespaces = tuple[str | None, ...]
"""Namespaces to look after; None stands for all of them."""
Place = tuple[str, str | None]
"""A kind's name and a namespace."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    kinds: Kinds
    namespaces: Namespaces
    listed: frozenset[Place]
    """Every place that could be listed. kopf watches each kind in each namespace, so some may not be watched."""


async def find_served(kube: KubeApi, kinds: Kinds, namespaces: Namespaces, stop: asyncio.Event) -> Served | None:
    """What can be listed, once there is something: a watch that is refused would end those of all.

    A namespace that has been deleted answers 403, since the rights in it went with it; a kind whose definition is not there
    answers 404, and is done without in the end; any other error is waited for. kopf looks once which kinds there are.
    None when `stop` was set.
    """
    looks = 0
    while not stop.is_set():
        looks += 1
        answers = {
            (kind.name, namespace): await _list_once(kube, kind, namespace)
            for kind in kinds
            for namespace in namespaces
        }
        served = _judge(kinds, namespaces, answers)
        is_clear = all(error is None or error.status in (403, 404) for error in answers.values())
        is_whole = all(error is None or isinstance(error, Forbidden) for error in answers.values())
        if served.kinds and is_clear and (is_whole or looks >= LOOKS_FOR_MISSING_KINDS):
            return served
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return None


def _judge(kinds: Kinds, namespaces: Namespaces, answers: dict[Place, KubeError | None]) -> Served:
    """Namespaces in which some kind can be listed, and the kinds that can be listed in all of those."""
    listed = frozenset(place for place, error in answers.items() if error is None)
    alive = tuple(name for name in namespaces if any((kind.name, name) in listed for kind in kinds))
    whole = tuple(kind for kind in kinds if alive and all((kind.name, name) in listed for name in alive))
    return Served(whole, alive, listed)


async def _list_once(kube: KubeApi, kind: Kind[object], namespace: str | None) -> KubeError | None:
    try:
        await kube.list(kind.api_version, kind.name, namespace)
    except KubeError as error:
        log_event(_log, logging.WARNING, "definition_not_served", kind=kind.name, error=str(error))
        return error
    return None
