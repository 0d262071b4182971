"""What an error of a server or a connection means for a transaction: is it over, and may it be tried again? Pure.

Every ERROR that a server reports ends its transaction, COMMIT's own included, so nothing was done. Only a connection
that breaks while COMMIT is under way leaves the outcome open.
"""

from enum import Enum, auto

import psycopg

UNPROTECTED = "synchronous_commit = "
"""In the check's error where COMMIT would not wait for the standby (caisson.statements)."""

PREPARED_PREFIX = "caisson_check_"
"""Begins the name of every plan that a connection keeps (caisson.messages)."""


class Verdict(Enum):
    """What to do after an attempt failed."""

    MOVED = auto()
    """The bucket is not (or no longer) this shard's: hear the map again, then retry."""
    CONFLICT = auto()
    """Serialization failure, deadlock, stale plan: retry at once on the same shard."""
    NO_PRIMARY = auto()
    """This server takes no writes (now): drop its connections, retry."""
    LOST = auto()
    """The connection is gone: nothing was done, unless COMMIT had been sent."""
    UNPROTECTED = auto()
    """The application turned the wait for the standby off, and the check refused that: an error of the call."""
    FENCED = auto()
    """The bucket has seen a newer token of the transaction's lock: final, whoever owns the bucket by now."""
    APPLICATION = auto()
    """The application's own error, provided that the bucket is still here: to be checked before it is raised."""


_VERDICTS = {
    "CS001": Verdict.MOVED,
    "CS004": Verdict.FENCED,
    "40001": Verdict.CONFLICT,
    "40P01": Verdict.CONFLICT,
    "25006": Verdict.NO_PRIMARY,
    "53300": Verdict.NO_PRIMARY,
    "57P01": Verdict.LOST,
    "57P02": Verdict.LOST,
    "57P03": Verdict.NO_PRIMARY,
    "25P03": Verdict.LOST,
}
PREPARED_IS_GONE = "26000"
UNDEFINED_FUNCTION = "42883"
_INVALID_TEXT = "22P02"
_UNIQUE_VIOLATION = "23505"
_UNDEFINED_TABLE = "42P01"
_OF_A_BUCKET = ("caisson.gate_", "caisson.idempotency_")
_STALE_PLAN = ("0A000", "RevalidateCachedQuery")


def judge(error: psycopg.Error) -> Verdict:
    """Classify an error that came while a transaction ran."""
    if error.sqlstate is None:
        return Verdict.LOST if isinstance(error, psycopg.OperationalError) else Verdict.APPLICATION
    if (error.sqlstate, error.diag.source_function) == _STALE_PLAN:
        return Verdict.CONFLICT
    if error.sqlstate == _UNDEFINED_TABLE and any(name in str(error) for name in _OF_A_BUCKET):
        return Verdict.MOVED
    if error.sqlstate == PREPARED_IS_GONE and PREPARED_PREFIX in str(error):
        return Verdict.CONFLICT  # the application said DEALLOCATE ALL: another connection, or this one anew
    if error.sqlstate == _INVALID_TEXT and UNPROTECTED in str(error):
        return Verdict.UNPROTECTED
    if error.sqlstate == _UNIQUE_VIOLATION and error.diag.schema_name == "caisson":
        return Verdict.CONFLICT  # a twin with the same idempotency key has just committed: its result is there now
    return _VERDICTS.get(error.sqlstate, Verdict.APPLICATION)
