"""The kinds that this operator knows: a new room is one more line here, and a definition in api/definitions.py."""

from caisson_operator.backing_cluster.kind import BACKING_CLUSTER
from caisson_operator.distributed_lock.kind import DISTRIBUTED_LOCK
from caisson_operator.id_allocator.kind import ID_ALLOCATOR
from caisson_operator.kind import Kinds
from caisson_operator.sharded_database.kind import SHARDED_DATABASE

KINDS: Kinds = (
    BACKING_CLUSTER,
    DISTRIBUTED_LOCK,
    ID_ALLOCATOR,
    SHARDED_DATABASE,
)
