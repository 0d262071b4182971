"""One attempt at one transaction on one shard: what it ends with is certain, refused, or in doubt.

work(connection) returns         done
raises Refused                   nothing was done; trying again may help
raises InDoubt                   COMMIT was sent, its answer never came (or the standby's never did)
raises anything else             the application's error, on a bucket that was here all the time; nothing was done
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from psycopg import pq

from caisson.connections import Pool, ShardConnection
from caisson.errors import ConfigurationError, FencedOff
from caisson.messages import Answer, send
from caisson.outcome import PREPARED_IS_GONE, UNDEFINED_FUNCTION, Verdict, judge
from caisson.refusals import NotConnected
from caisson.shard_map import Placement
from caisson.statements import COMMIT, gate_check

T = TypeVar("T")


class Refused(Exception):
    """Nothing was done. `verdict` says why; the cause is the server's error."""

    def __init__(self, verdict: Verdict, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


class InDoubt(Exception):
    """The transaction may or may not have been committed."""


def commit(connection: ShardConnection, *statements: str) -> list[Answer]:
    """Send the last statements and COMMIT as one message. Only a message that held COMMIT can end in doubt."""
    try:
        answers = send(connection, *statements, COMMIT)
    except psycopg.Error as error:
        if connection.closed or judge(error) is Verdict.LOST:
            raise InDoubt(f"the connection was lost while COMMIT was under way: {error}") from error
        raise
    if connection.is_unreplicated:
        raise InDoubt("COMMIT was cancelled while it waited for the standby: a failover may lose the transaction")
    if connection.is_outdated():
        raise InDoubt("an old primary answered COMMIT after its successor was heard: it may be lost")
    return answers


def must_be_newest(connection: ShardConnection) -> None:
    """Raise Refused if a newer primary was heard while this one read: it may have read what has changed since."""
    if connection.is_outdated():
        raise Refused(Verdict.LOST, "an old primary answered a read after its successor was heard")


def attempt(
    pool: Pool, deadline: float, gates: list[Placement], work: Callable[[ShardConnection, list[Placement]], T]
) -> T:
    """Run `work` on a connection of `pool`. `gates` are the buckets that it touches; `work` may add to them."""
    try:
        with pool.connection(deadline) as connection:
            try:
                return work(connection, gates)
            except psycopg.Error as error:
                refusal = _refusal(connection, error, gates)
                if refusal is None:
                    raise
                raise refusal from error
    except NotConnected as error:
        raise Refused(Verdict.NO_PRIMARY, str(error)) from error
    except (Refused, InDoubt) as error:
        if isinstance(error, InDoubt) or error.verdict in (Verdict.LOST, Verdict.NO_PRIMARY):
            pool.discard_idle()
        raise


def roll_back(connection: ShardConnection) -> None:
    """End what is open, so that the connection can be lent again; one that cannot is closed."""
    if connection.closed or connection.pgconn.transaction_status == pq.TransactionStatus.IDLE:
        return
    try:
        send(connection, "ROLLBACK")
    except psycopg.Error:
        connection.close()


def _refusal(connection: ShardConnection, error: psycopg.Error, gates: Sequence[Placement]) -> Refused | None:
    """What an attempt ends with after `error`; None if that is the application's own."""
    verdict = judge(error)
    roll_back(connection)
    if verdict is Verdict.UNPROTECTED:
        connection.close()
        raise ConfigurationError(f"acknowledged writes would be lost in a failover, so this is refused: {error}")
    if verdict is Verdict.FENCED:
        raise FencedOff(f"nothing was done: {error}") from error
    if error.sqlstate == UNDEFINED_FUNCTION and "caisson.raise_fence" in str(error):
        raise ConfigurationError(
            "this shard can not fence yet: its schema is older than 4, update the operator"
        ) from error
    if verdict is Verdict.APPLICATION and error.sqlstate is not None and gates:
        # 'duplicate key', 'division by zero', 'no partition of relation': all may come of a bucket that has left.
        verdict = _verdict_of_gates(connection, gates)
    if verdict is Verdict.APPLICATION:
        return None
    if verdict is Verdict.NO_PRIMARY or error.sqlstate == PREPARED_IS_GONE:
        connection.close()
    return Refused(verdict, str(error))


def _verdict_of_gates(connection: ShardConnection, gates: Sequence[Placement]) -> Verdict:
    """APPLICATION if the buckets are all still here: epochs never fall, so they were here all the time."""
    try:
        send(connection, gate_check(gates))
    except psycopg.Error as error:
        return judge(error)
    return Verdict.APPLICATION
