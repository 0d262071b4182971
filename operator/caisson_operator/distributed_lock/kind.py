"""DistributedLock as the frame sees it."""

from caisson_operator.api.resource import DistributedLock, load_distributed_lock
from caisson_operator.kind import Kind

from .room import build_room
from .wanted import KIND

DISTRIBUTED_LOCK: Kind[DistributedLock] = Kind(KIND, "distributedlocks", load_distributed_lock, build_room, children=())
