"""What a room is given when this process begins to lead. A new leader makes new rooms, with a higher term."""

from dataclasses import dataclass

from caisson_operator.telemetry.metrics import Metrics

from .kube import KubeApi


@dataclass(frozen=True, slots=True)
class RoomContext:
    kube: KubeApi
    term: int
    """Every effect on a shard carries it, and is refused once a later leader has raised the shard's."""
    postgres_image: str
    """For members of new shards. An existing StatefulSet keeps its image: upgrading the operator restarts no database."""
    metrics: Metrics
