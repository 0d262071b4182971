"""The client library of Caisson: distributed primitives on Kubernetes, spoken to directly.

Nothing here talks to the Kubernetes API or to the operator: only to the engines.
"""

from caisson.errors import (
    BadKey,
    ConfigurationError,
    Error,
    Moved,
    NoPrimary,
    NotOnOneShard,
    OutcomeUnknown,
    ScatterIncomplete,
    Unavailable,
    UnknownTable,
)
from caisson.scatter import ScatterResult
from caisson.sharded_database import ShardedDatabase
from caisson.statements import Result
from caisson.transaction import Transaction

__all__ = [
    "BadKey",
    "ConfigurationError",
    "Error",
    "Moved",
    "NoPrimary",
    "NotOnOneShard",
    "OutcomeUnknown",
    "Result",
    "ScatterIncomplete",
    "ScatterResult",
    "ShardedDatabase",
    "Transaction",
    "Unavailable",
    "UnknownTable",
]
