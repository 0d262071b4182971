"""Reads of one bucket: strong from its primary, eventual from a standby that knows of the bucket's latest move."""

from typing import Any

import psycopg

from caisson.attempt import must_be_newest, roll_back
from caisson.connecting import NotConnected
from caisson.connections import Pool, ShardConnection
from caisson.errors import ConfigurationError
from caisson.shard_map import Placement
from caisson.statements import COMMIT, Rows, bind, claim_check, gate_check, send
from caisson.transaction import refuse_ended, result_of

BEGIN_READ_ONLY = "BEGIN READ ONLY"
REST_SECONDS = 5.0
"""How long a standby that could not be reached is left alone while a primary answers: connecting takes two seconds."""


def read_from_primary(connection: ShardConnection, gates: list[Placement], statement: str) -> Rows:
    """One round trip. READ ONLY makes it safe to read again whatever happened to the connection."""
    try:
        answers = send(connection, BEGIN_READ_ONLY, statement, gate_check(gates), COMMIT)[1:-2]
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ConfigurationError(f"fetch only reads; use execute or run: {error}") from error
    refuse_ended(answers)
    must_be_newest(connection)
    return result_of(answers).rows


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


def _read_checked(connection: ShardConnection, placement: Placement, statement: str) -> Rows | None:
    before, after = claim_check(placement), gate_check([placement])
    try:
        return result_of(send(connection, BEGIN_READ_ONLY, before, statement, after, COMMIT)[2:-2]).rows
    except psycopg.DatabaseError:
        roll_back(connection)
        return None  # the primary answers instead, and if the statement is wrong, it says so
