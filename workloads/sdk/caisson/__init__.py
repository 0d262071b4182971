"""The client library of Caisson: distributed primitives on Kubernetes, spoken to directly.

Nothing here talks to the Kubernetes API or to the operator: only to the engines.
"""

from caisson.errors import (
    BadKey,
    BadName,
    ClockWentBack,
    ConfigurationError,
    EpochNotRaised,
    Error,
    FencedOff,
    IdsExhausted,
    LeaseTooShort,
    LockLost,
    LockTimeout,
    Moved,
    NoIds,
    NoPrimary,
    NotOnOneShard,
    NoWorkerId,
    OutcomeUnknown,
    ScatterIncomplete,
    StoreUnavailable,
    Unavailable,
    UnknownTable,
)
from caisson.ids import IdAllocator
from caisson.locks.distributed_lock import DistributedLock
from caisson.locks.hold import Held
from caisson.locks.lock import Lock, MultiHeld, MultiLock, ReadWriteLock
from caisson.scatter import ScatterResult
from caisson.sharded_database import ShardedDatabase
from caisson.statements import Result
from caisson.transaction import Transaction

__all__ = [
    "BadKey",
    "BadName",
    "ClockWentBack",
    "ConfigurationError",
    "DistributedLock",
    "EpochNotRaised",
    "Error",
    "FencedOff",
    "Held",
    "IdAllocator",
    "IdsExhausted",
    "LeaseTooShort",
    "Lock",
    "LockLost",
    "LockTimeout",
    "Moved",
    "MultiHeld",
    "MultiLock",
    "NoIds",
    "NoPrimary",
    "NoWorkerId",
    "NotOnOneShard",
    "OutcomeUnknown",
    "ReadWriteLock",
    "Result",
    "ScatterIncomplete",
    "ScatterResult",
    "ShardedDatabase",
    "StoreUnavailable",
    "Transaction",
    "Unavailable",
    "UnknownTable",
]
