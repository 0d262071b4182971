"""What each error means; and the tree of the SDK's own errors."""

import psycopg
import pytest
from psycopg import errors

import caisson
from caisson.outcome import Verdict, judge


class MovedState(psycopg.Error):
    sqlstate = "CS001"


class FencedState(psycopg.Error):
    sqlstate = "CS004"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MovedState(), Verdict.MOVED),
        (FencedState(), Verdict.FENCED),
        (errors.UndefinedTable('relation "caisson.gate_aircraft_5" does not exist'), Verdict.MOVED),
        (errors.UndefinedTable('relation "caisson.idempotency_aircraft" does not exist'), Verdict.MOVED),
        (errors.UndefinedTable('relation "flihgts" does not exist'), Verdict.APPLICATION),
        (errors.InvalidTextRepresentation('... integer: "synchronous_commit = off"'), Verdict.UNPROTECTED),
        (errors.InvalidTextRepresentation('... integer: "seven"'), Verdict.APPLICATION),
        (errors.SerializationFailure(), Verdict.CONFLICT),
        (errors.DeadlockDetected(), Verdict.CONFLICT),
        (errors.ReadOnlySqlTransaction(), Verdict.NO_PRIMARY),
        (errors.CannotConnectNow(), Verdict.NO_PRIMARY),
        (errors.TooManyConnections(), Verdict.NO_PRIMARY),
        (errors.AdminShutdown(), Verdict.LOST),
        (errors.CrashShutdown(), Verdict.LOST),
        (psycopg.OperationalError("server closed the connection unexpectedly"), Verdict.LOST),
        (errors.UniqueViolation(), Verdict.APPLICATION),
        (errors.CheckViolation(), Verdict.APPLICATION),
        (errors.QueryCanceled(), Verdict.APPLICATION),
        (errors.FeatureNotSupported(), Verdict.APPLICATION),
        (psycopg.ProgrammingError("the query has 1 placeholder but 2 parameters were passed"), Verdict.APPLICATION),
    ],
)
def test_verdicts(error: psycopg.Error, verdict: Verdict) -> None:
    assert judge(error) is verdict


@pytest.mark.parametrize(
    ("error", "is_safe"),
    [
        (caisson.ConfigurationError(), False),
        (caisson.UnknownTable(), False),
        (caisson.BadKey(), False),
        (caisson.NotOnOneShard(), False),
        (caisson.Unavailable(), True),
        (caisson.NoPrimary(), True),
        (caisson.Moved(), True),
        (caisson.ScatterIncomplete(), True),
        (caisson.OutcomeUnknown("x"), False),
        (caisson.OutcomeUnknown("x", has_idempotency_key=True), True),
    ],
)
def test_each_error_says_whether_retrying_is_safe(error: caisson.Error, is_safe: bool) -> None:
    assert error.is_safe_to_retry is is_safe
