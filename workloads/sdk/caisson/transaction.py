"""One transaction on one shard, for the function that `ShardedDatabase.run` is given, and its ending."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import pq

from caisson.attempt import commit, roll_back
from caisson.connections import ShardConnection
from caisson.errors import ConfigurationError, NotOnOneShard
from caisson.fence import Fence
from caisson.messages import Answer, Rows, planned, send
from caisson.outcome import Verdict, judge
from caisson.shard_map import Placement
from caisson.statements import (
    WAIT_FOR_STANDBY,
    Result,
    bind,
    call_once,
    find_result,
    gate_check,
    raise_fence,
    returns_nothing,
    store_result,
)

T = TypeVar("T")
Route = Callable[[Any, str | None], Placement]

BEGIN = "BEGIN"
_BEGINS_OR_ENDS = {"BEGIN", "START TRANSACTION", "COMMIT", "PREPARE TRANSACTION"}


class Transaction:
    """What `run` hands to its function. Use it in that function only, from one thread."""

    def __init__(
        self, connection: ShardConnection, gates: list[Placement], route: Route, fences: tuple[Fence, ...] = ()
    ) -> None:
        self._connection = connection
        self._gates = gates
        self._route = route
        self._fences = fences
        self._unsent = [raise_fence(gates[0], fence) for fence in fences]
        self._is_begun = False
        self._failure: psycopg.Error | None = None

    def execute(self, sql: str, params: Any = None) -> Result:
        """Run a statement; SQL errors are psycopg's."""
        fences, self._unsent = self._unsent, []
        return result_of(self._send(bind(self._connection, sql, params), *fences))

    def fetch(self, sql: str, params: Any = None) -> Rows:
        """Run a statement and return its rows as tuples."""
        return self.execute(sql, params).rows

    def touch(self, key: Any, *, table: str | None = None) -> None:
        """Declare that the transaction also touches `key`. Raises NotOnOneShard if it lives elsewhere at this time."""
        placement = self._route(key, table)
        if placement.shard != self._gates[0].shard:
            raise NotOnOneShard(
                f"key {key!r} lives on shard {placement.shard}, the transaction runs on {self._gates[0].shard}"
            )
        if placement not in self._gates:
            self._gates.append(placement)
            self._unsent += [raise_fence(placement, fence) for fence in self._fences]

    def find_stored(self, key: str) -> list[Any]:
        """The result stored under an idempotency key, as a list of one, or an empty list."""
        return [row[0] for row in self._send(find_result(self._gates[0], key))[-1].rows]

    def verify(self) -> None:
        """Raise the server's error if this transaction was refused: then whatever the function concluded is void."""
        if self._failure is not None and not self._is_healthy():
            raise self._failure
        if self._is_begun:
            send(self._connection, gate_check(self._gates))

    def finish(self, *last: str) -> None:
        """Check every gate and commit, in one message."""
        if self._failure is not None and not self._is_healthy():
            raise self._failure
        last = (*self._unsent, *last)
        if last or self._is_begun:
            begin = () if self._is_begun else (BEGIN,)
            commit(self._connection, *begin, *last, planned(self._connection, gate_check(self._gates)))

    def _send(self, statement: str, *fences: str) -> list[Answer]:
        """The answers to the statement; fences go before it, in the same message."""
        first = fences if self._is_begun else (BEGIN, *fences)
        self._is_begun = True
        try:
            answers = send(self._connection, *first, statement)[len(first) :]
        except psycopg.Error as error:
            self._failure = self._failure or error
            raise
        refuse_ended(answers, has_ended=not self._is_healthy())
        return answers

    def _is_healthy(self) -> bool:
        return self._connection.pgconn.transaction_status == pq.TransactionStatus.INTRANS


def result_of(answers: list[Answer]) -> Result:
    """The last statement's answer."""
    if not answers:
        raise ConfigurationError("the SQL holds no statement")
    return Result(answers[-1].rowcount, answers[-1].rows)


def refuse_ended(answers: list[Answer], *, has_ended: bool = False) -> None:
    """An application that ends the transaction itself goes round the check; say so, for it cannot be undone."""
    if has_ended or any(answer.status in _BEGINS_OR_ENDS for answer in answers):
        raise ConfigurationError(
            "the SQL begins or ends a transaction: leave that to the SDK, which checks before COMMIT"
        )


def run_function(
    connection: ShardConnection,
    gates: list[Placement],
    route: Route,
    fn: Callable[[Transaction], T],
    key: str | None,
    fences: tuple[Fence, ...] = (),
) -> T:
    """Run the application's function in a transaction, behind fences; with a key, once only, and its result as JSON gives
    it back. A result that is stored was done while the lock was held, so it is given back to an older holder too."""
    transaction = Transaction(connection, gates, route, fences)
    if key is not None and (stored := transaction.find_stored(key)):
        confirmed: T = _confirmed(connection, stored[0])
        return confirmed
    try:
        value = fn(transaction)
    except Exception:
        transaction.verify()
        roll_back(connection)
        raise
    if key is None:
        transaction.finish()
        return value
    text = json.dumps(value)
    transaction.finish(store_result(gates[0], key, text))
    restored: T = json.loads(text)
    return restored


def execute_once(connection: ShardConnection, gates: list[Placement], statement: str, key: str) -> Result:
    """Execute a statement under an idempotency key: one round trip if it returns no rows, else two."""
    try:
        if returns_nothing(statement):
            return _execute_in_one(connection, gates, statement, key) or _replay(connection, gates, key)
        return _execute_in_two(connection, gates, statement, key)
    except psycopg.Error as error:
        # The statement may fail because its twin has been committed ('duplicate key').
        if judge(error) is Verdict.APPLICATION and (stored := _look_up(connection, find_result(gates[0], key))):
            return _replayed(connection, stored)
        raise


def _execute_in_one(connection: ShardConnection, gates: list[Placement], statement: str, key: str) -> Result | None:
    """None where the key has been used: nothing was done."""
    check = planned(connection, gate_check(gates))
    rows = commit(connection, BEGIN, call_once(gates[0], key, statement), check)[1].rows
    return None if rows[0][0] is None else Result(rows[0][0], [])


def _execute_in_two(connection: ShardConnection, gates: list[Placement], statement: str, key: str) -> Result:
    """The second round trip tells the server the rowcount that the first has told us, and commits."""
    answers = send(connection, BEGIN, find_result(gates[0], key), statement)
    refuse_ended(answers[2:])
    if answers[1].rows:
        roll_back(connection)
        send(connection, BEGIN)
        return _replayed(connection, answers[1].rows)
    result = result_of(answers[2:])
    store = store_result(gates[0], key, json.dumps({"rowcount": result.rowcount}))
    commit(connection, store, planned(connection, gate_check(gates)))
    return result


def execute_plainly(connection: ShardConnection, gates: list[Placement], statement: str) -> Result:
    """Execute a statement: one round trip."""
    answers = commit(connection, BEGIN, statement, planned(connection, gate_check(gates)))[1:-2]
    refuse_ended(answers, has_ended=any(answer.status == "ROLLBACK" for answer in answers))
    return result_of(answers)


def _look_up(connection: ShardConnection, find: str) -> Rows:
    roll_back(connection)
    if connection.closed:
        return []
    return send(connection, BEGIN, find)[-1].rows


def _replay(connection: ShardConnection, gates: list[Placement], key: str) -> Result:
    return _replayed(connection, send(connection, BEGIN, find_result(gates[0], key))[-1].rows)


def _replayed(connection: ShardConnection, stored: Rows) -> Result:
    value = _confirmed(connection, stored[0][0])
    if not isinstance(value, dict) or "rowcount" not in value:
        raise ConfigurationError("the idempotency key was used for another kind of operation")
    return Result(int(value["rowcount"]), [], is_replayed=True)


def _confirmed(connection: ShardConnection, stored: Any) -> Any:
    """A stored result, once it is certain to survive a failover: its first COMMIT may not have reached the standby."""
    commit(connection, WAIT_FOR_STANDBY)
    return stored
