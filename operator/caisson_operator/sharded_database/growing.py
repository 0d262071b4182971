"""Volumes that are smaller than the resource wants (core/volumes.py), and what settings may count on meanwhile. Pure."""

from caisson_operator.core import volumes
from caisson_operator.core.decisions import Decision
from caisson_operator.core.quantities import parse_quantity
from caisson_operator.core.volumes import Volume

from .observed import Observed
from .wanted import Wanted


def decide_growth(wanted: Wanted, observed: Observed) -> Decision:
    return volumes.decide_growth(_list_volumes(wanted, observed), wanted.storage_size, observed.refusals)


def judge_growth(wanted: Wanted, observed: Observed) -> Decision:
    return volumes.judge_growth(_list_volumes(wanted, observed), wanted.storage_size, observed.refusals)


def _list_volumes(wanted: Wanted, observed: Observed) -> list[Volume]:
    return [volume for volume in observed.objects.volumes if volume.shard in wanted.shards]


def find_storage_size(shard: str, wanted: Wanted, observed: Observed) -> str:
    """What every member of this shard has room for, as a quantity: settings must not count on what has not grown yet."""
    capacities = [v.capacity_bytes for v in observed.objects.volumes if v.shard == shard and v.capacity_bytes]
    smallest = min(capacities, default=int(parse_quantity(wanted.storage_size)))
    return str(smallest) if smallest < parse_quantity(wanted.storage_size) else wanted.storage_size
