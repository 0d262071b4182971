"""Which store a lock space is kept in, and whether it can be. Pure.

Rooms never import each other: a cluster or a database is known by its spec, its conditions and its binding (core/backend.py).
"""

from caisson_operator.api.distributed_lock_spec import LockBackendType
from caisson_operator.core.backend import CLUSTER, DATABASE, SECRET, BackendSeen, BackendWanted, judge_backend
from caisson_operator.core.decisions import Decision, Refuse, Settled, Wait, decide_first

from .wanted import KIND, Wanted

BEING_MADE, NAME_TAKEN = "BackendBeingMade", "NameTaken"
_TOPOLOGIES = {LockBackendType.REDIS: ("replicated",), LockBackendType.REDLOCK: ("independent",)}


def read_backend(wanted: Wanted) -> BackendWanted:
    kind = SECRET if wanted.is_secret else DATABASE if wanted.is_database else CLUSTER
    return BackendWanted(str(wanted.backend), kind, wanted.reference)


def judge(wanted: Wanted, seen: BackendSeen) -> Decision:
    """Settled where locks can be kept there."""
    return decide_first(
        lambda: _judge_own(wanted, seen),
        lambda: judge_backend(read_backend(wanted), seen, _TOPOLOGIES.get(wanted.backend, ())),
    )


def _judge_own(wanted: Wanted, seen: BackendSeen) -> Decision:
    """Of the cluster that goes with the lock space: it is made where it is missing, and not taken from somebody else."""
    if not wanted.has_own_cluster:
        return Settled()
    if seen.manifest is None:
        return Wait(BEING_MADE, f"BackingCluster {wanted.reference} is being made", 0.0)
    owners = seen.manifest["metadata"].get("ownerReferences", ())
    if any(each["kind"] == KIND and each["uid"] == wanted.owner.uid for each in owners):
        return Settled()
    told = (
        f"BackingCluster {wanted.reference} is somebody else's: name it by backend.clusterRef, or rename the lock space"
    )
    return Refuse(NAME_TAKEN, told)
