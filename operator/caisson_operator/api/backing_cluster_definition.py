"""The definition of BackingCluster: what `kubectl get` prints."""

from .backing_cluster_spec import BackingClusterSpec
from .backing_cluster_status import BackingClusterStatus
from .definition import AGE, Definition

_COLUMNS = (
    ("Type", "string", ".spec.type", "redis or zookeeper"),
    ("Phase", "string", ".status.phase", "A summary in one word"),
    ("Members", "integer", ".status.memberCount", "Members that exist"),
    ("Serving", "integer", ".status.readyMembers", "Members that serve"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether clients are served"),
    ("Leader", "string", ".status.leader", "Member that takes writes"),
    ("Epoch", "integer", ".status.epoch", "Rises with each new primary"),
    AGE,
)

BACKING_CLUSTER = Definition(
    kind="BackingCluster",
    short_name="backing",
    description="A Redis or ZooKeeper cluster that locks and ids are kept in.",
    spec=BackingClusterSpec,
    status=BackingClusterStatus,
    columns=_COLUMNS,
    scale=(".spec.members", ".status.memberCount"),
)
