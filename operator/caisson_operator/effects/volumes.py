"""The claims of the members, as frozen volumes in our words. Reads only."""

from collections.abc import Collection

from caisson_operator.core.quantities import parse_quantity
from caisson_operator.core.volumes import HOSTNAME_LABEL, Volume, find_host_names

from .kube import KubeApi, Manifest, ObjectRef

CLAIM_PREFIX = "data-"  # the name of the StatefulSet's claim template


async def observe_volume(
    kube: KubeApi, claim: Manifest, present: Collection[str], reads_nodes: bool, shard: str = ""
) -> Volume:
    """`present` are the members that are ready: of their volumes it is not asked whether they are gone."""
    metadata, spec, status = claim["metadata"], claim["spec"], claim.get("status", {})
    member, phase = metadata["name"].removeprefix(CLAIM_PREFIX), status.get("phase", "")
    must_ask = reads_nodes and phase == "Bound" and member not in present
    return Volume(
        name=metadata["name"],
        shard=shard,
        member=member,
        uid=metadata["uid"],
        requested_bytes=_read_bytes(spec.get("resources", {}).get("requests", {})),
        capacity_bytes=_read_bytes(status.get("capacity", {})),
        is_bound=phase == "Bound",
        is_gone=phase == "Lost" or (must_ask and await _is_node_gone(kube, spec.get("volumeName", ""))),
        is_leaving="deletionTimestamp" in metadata,
    )


async def _is_node_gone(kube: KubeApi, volume_name: str) -> bool:
    """Whether the volume can be on certain nodes alone, and none of them exists."""
    volume = await kube.get(ObjectRef("v1", "PersistentVolume", "", volume_name)) if volume_name else None
    names = find_host_names(volume or {})
    return bool(names) and not any([await kube.list("v1", "Node", labels={HOSTNAME_LABEL: name}) for name in names])


def _read_bytes(amounts: dict[str, str]) -> int:
    """0 where nothing is said, or in a form that this operator does not know."""
    try:
        return int(parse_quantity(str(amounts["storage"])))
    except (KeyError, ValueError):
        return 0
