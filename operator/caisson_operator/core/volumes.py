"""Claims of storage, and how they grow, in every room whose members have volumes. Pure.

The claims themselves are raised, one by one, and the StatefulSet keeps the template that it was made with: Kubernetes takes no
change of that, and to make the StatefulSet anew would leave members without one for a moment. A member that is made later gets a
claim of the old size, and it is raised at once.

It waits for nothing, since a full volume may be what everything else waits for; and nothing waits for it: a class of storage
that cannot grow says so, which is told once nothing else is left to do, and asked again later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .decisions import Decision, Plan, Refuse, Settled, Step, Wait
from .quantities import parse_quantity

NOT_GROWN = "VolumeNotGrown"
ASK_AGAIN_SECONDS = 600.0  # after a refusal
LOOK_AGAIN_SECONDS = 10.0  # nothing of a claim is watched
HOSTNAME_LABEL = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Volume:
    """A member's claim of storage. Bytes are 0 where nothing is said."""

    name: str
    shard: str  # of a database; empty elsewhere
    member: str
    uid: str
    requested_bytes: int = 0
    capacity_bytes: int = 0
    is_bound: bool = True
    is_gone: bool = False  # for good: Kubernetes has lost it, or the only node that it can be on
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class GrowVolume(Step):
    """Raise what a claim asks for."""

    claim: str
    uid: str
    size: str


def decide_growth(volumes: Iterable[Volume], size: str, refusals: Mapping[str, str]) -> Decision:
    """Claims that were refused a moment ago are left for later."""
    due = tuple(volume for volume in _list_small(volumes, size) if volume.name not in refusals)
    told = f"{', '.join(volume.name for volume in due)} to {size}"
    steps_due = tuple(GrowVolume(volume.name, volume.uid, size) for volume in due)
    return Plan(steps_due, "GrowingVolumes", told[:1000]) if due else Settled()


def judge_growth(volumes: Iterable[Volume], size: str, refusals: Mapping[str, str]) -> Decision:
    """What has become of it."""
    bound = [volume for volume in volumes if volume.is_bound]
    refused = [refusals[volume.name] for volume in _list_small(bound, size) if volume.name in refusals]
    if refused:
        return Refuse(NOT_GROWN, "; ".join(refused)[:1800])
    growing = ", ".join(volume.name for volume in bound if 0 < volume.capacity_bytes < parse_quantity(size))
    return Wait("VolumesGrow", f"not grown yet: {growing}"[:1000], LOOK_AGAIN_SECONDS) if growing else Settled()


def _list_small(volumes: Iterable[Volume], size: str) -> list[Volume]:
    return [volume for volume in volumes if volume.is_bound and 0 < volume.requested_bytes < parse_quantity(size)]


def read_claimed_size(stateful_set: Mapping[str, Any]) -> str:
    """What the StatefulSet's claims are made with."""
    return str(stateful_set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"])


def find_host_names(volume: Mapping[str, Any]) -> frozenset[str]:
    """Of the nodes that a PersistentVolume is bound to; empty where one of its terms names no node."""
    required = volume.get("spec", {}).get("nodeAffinity", {}).get("required", {})
    terms = [_find_names(term) for term in required.get("nodeSelectorTerms", [])]
    return frozenset().union(*terms) if all(terms) else frozenset()


def _find_names(term: Mapping[str, Any]) -> frozenset[str]:
    wishes = [wish for wish in term.get("matchExpressions", []) if wish["key"] == HOSTNAME_LABEL]
    return frozenset(name for wish in wishes if wish["operator"] == "In" for name in wish["values"])
