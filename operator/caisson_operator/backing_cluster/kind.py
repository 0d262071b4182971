"""BackingCluster as the frame sees it."""

from caisson_operator.api.resource import BackingCluster, load_backing_cluster
from caisson_operator.kind import Kind

from .news import find_leader_news
from .room import build_room
from .wanted import KIND

BACKING_CLUSTER: Kind[BackingCluster] = Kind(
    KIND,
    "backingclusters",
    load_backing_cluster,
    build_room,
    find_leader_news,
    # Endpoints tell of a primary that has changed without any pod's doing so: its agent writes them.
    children=("statefulsets", "pods", "endpoints"),
)
