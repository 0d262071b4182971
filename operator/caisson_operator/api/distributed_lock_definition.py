"""The definition of DistributedLock: what `kubectl get` prints."""

from .definition import AGE, Definition
from .distributed_lock_spec import DistributedLockSpec
from .distributed_lock_status import DistributedLockStatus

_COLUMNS = (
    ("Backend", "string", ".spec.backend.type", "redis, redlock, zookeeper or database"),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether locks are granted"),
    ("Held", "integer", ".status.held", "Locks that are held"),
    ("Waiting", "integer", ".status.waiting", "Claims that wait"),
    ("Longest", "string", ".status.longestHold", "The longest hold"),
    ("Epoch", "integer", ".status.epoch", "The upper part of fencing tokens"),
    AGE,
)

DISTRIBUTED_LOCK = Definition(
    kind="DistributedLock",
    short_name="dlock",
    description="A space of locks that processes share, with fencing tokens.",
    spec=DistributedLockSpec,
    status=DistributedLockStatus,
    columns=_COLUMNS,
)
