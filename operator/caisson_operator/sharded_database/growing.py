"""Volumes that are smaller than the resource wants. Pure.

The claims themselves are raised, one by one, and the StatefulSet keeps the template that it was made with: Kubernetes takes no
change of that, and to make the StatefulSet anew would leave members without one for a moment. A member that is made later gets a
claim of the old size, and it is raised at once.

It waits for nothing, since a full volume may be what everything else waits for; and nothing waits for it: a class of storage
that cannot grow says so, which is told once nothing else is left to do, and asked again later.
"""

from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.quantities import parse_quantity

from . import steps
from .observed import Observed, Volume
from .wanted import Wanted

NOT_GROWN = "VolumeNotGrown"
ASK_AGAIN_SECONDS = 600.0  # after a refusal
LOOK_AGAIN_SECONDS = 10.0  # nothing of a claim is watched


def decide_growth(wanted: Wanted, observed: Observed) -> Decision:
    """Claims that were refused a moment ago are left for later."""
    due = tuple(volume for volume in _list_small(wanted, observed) if volume.name not in observed.refusals)
    told = f"{', '.join(volume.name for volume in due)} to {wanted.storage_size}"
    steps_due = tuple(steps.GrowVolume(volume.name, volume.uid, wanted.storage_size) for volume in due)
    return Plan(steps_due, "GrowingVolumes", told[:1000]) if due else Settled()


def judge_growth(wanted: Wanted, observed: Observed) -> Decision:
    """What has become of it."""
    refused = [observed.refusals[volume.name] for volume in _list_small(wanted, observed)]
    if refused:
        return Refuse(NOT_GROWN, "; ".join(refused)[:1800])
    size = parse_quantity(wanted.storage_size)
    growing = ", ".join(volume.name for volume in _list_bound(wanted, observed) if 0 < volume.capacity_bytes < size)
    return Wait("VolumesGrow", f"not grown yet: {growing}"[:1000], LOOK_AGAIN_SECONDS) if growing else Settled()


def _list_bound(wanted: Wanted, observed: Observed) -> list[Volume]:
    return [volume for volume in observed.objects.volumes if volume.shard in wanted.shards and volume.is_bound]


def _list_small(wanted: Wanted, observed: Observed) -> list[Volume]:
    size = parse_quantity(wanted.storage_size)
    return [volume for volume in _list_bound(wanted, observed) if 0 < volume.requested_bytes < size]


def find_storage_size(shard: str, wanted: Wanted, observed: Observed) -> str:
    """What every member of this shard has room for, as a quantity: settings must not count on what has not grown yet."""
    capacities = [v.capacity_bytes for v in observed.objects.volumes if v.shard == shard and v.capacity_bytes]
    smallest = min(capacities, default=int(parse_quantity(wanted.storage_size)))
    return str(smallest) if smallest < parse_quantity(wanted.storage_size) else wanted.storage_size
