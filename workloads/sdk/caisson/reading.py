"""Reads of one bucket: strong and linearizable from its primary, eventual from a standby that knows of its latest move."""

from typing import Any

import psycopg

from caisson.attempt import Refused, must_be_newest, roll_back
from caisson.connections import Pool, ShardConnection
from caisson.errors import ConfigurationError
from caisson.messages import Rows, planned, send
from caisson.outcome import Verdict
from caisson.refusals import NotConnected
from caisson.shard_map import Placement
from caisson.statements import COMMIT, WAIT_FOR_STANDBY, bind, claim_check, gate_check
from caisson.transaction import refuse_ended, result_of

BEGIN_READ_ONLY = "BEGIN READ ONLY"
REST_SECONDS = 5.0
"""How long a standby that could not be reached is left alone while a primary answers: connecting takes two seconds."""


def read_from_primary(connection: ShardConnection, gates: list[Placement], statement: str) -> Rows:
    """One round trip. READ ONLY makes it safe to read again whatever happened to the connection."""
    return _read(connection, statement, planned(connection, gate_check(gates)))


def read_linearizably(connection: ShardConnection, gates: list[Placement], statement: str) -> Rows:
    """One round trip, which ends once the standby has what was written to the log after the statement.

    A primary that was replaced before it read gets no such answer: its standby streams from it no more. So what it read
    was the newest there was. The message needs no right of its own and READ ONLY lets it pass; an id alone
    (pg_current_xact_id) writes nothing to the log, and COMMIT then waits for nobody.
    """
    rows = _read(connection, statement, planned(connection, gate_check(gates)), WAIT_FOR_STANDBY)
    if connection.is_unreplicated:
        raise Refused(Verdict.LOST, "the wait for the standby was cancelled: the primary may have been replaced")
    return rows


def read_from_standby(pool: Pool, placement: Placement, sql: str, params: Any, deadline: float) -> Rows | None:
    """The rows, or None where the standby cannot say: down, slow, or not yet (or no longer) the bucket's.

    It must have replayed the claim before the statement, and the gate must not have moved on after it.
    """
    try:
        with pool.connection(deadline) as connection:
            return _read_checked(connection, placement, bind(connection, sql, params))
    except NotConnected:
        pool.rest(REST_SECONDS)
        return None


def _read(connection: ShardConnection, statement: str, *last: str) -> Rows:
    try:
        answers = send(connection, BEGIN_READ_ONLY, statement, *last, COMMIT)[1 : -1 - len(last)]
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ConfigurationError(f"fetch only reads; use execute or run: {error}") from error
    refuse_ended(answers)
    must_be_newest(connection)
    return result_of(answers).rows


def _read_checked(connection: ShardConnection, placement: Placement, statement: str) -> Rows | None:
    before, after = claim_check(placement), planned(connection, gate_check([placement]))
    try:
        return result_of(send(connection, BEGIN_READ_ONLY, before, statement, after, COMMIT)[2:-2]).rows
    except psycopg.DatabaseError:
        roll_back(connection)
        return None  # the primary answers instead, and if the statement is wrong, it says so
