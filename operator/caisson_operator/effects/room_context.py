"""What a room is given when this process begins to lead. A new leader makes new rooms, with a higher term."""

from dataclasses import dataclass

from caisson_operator.core.images import Images
from caisson_operator.telemetry.metrics import Metrics

from .kube import KubeApi


@dataclass(frozen=True, slots=True)
class RoomContext:
    kube: KubeApi
    term: int
    """Every effect on a shard carries it, and is refused once a later leader has raised the shard's."""
    images: Images
    metrics: Metrics
    reads_nodes: bool = False
    """Nodes belong to the cluster: whoever installs the operator may keep it from reading them."""
