"""One message of several statements, and what comes back: PostgreSQL's simple protocol.

One round trip, and the server skips the rest, COMMIT included, at the first error.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import errors, generators, pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from caisson.connections import ShardConnection
from caisson.errors import ConfigurationError
from caisson.outcome import PREPARED_PREFIX

Rows = list[tuple[Any, ...]]

MOST_PREPARED = 256
"""How many plans a connection keeps: as many buckets as one shard may well have. What comes after that is sent as text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One statement's answer within a message."""

    status: str
    rowcount: int
    rows: Rows


def send(connection: ShardConnection, *statements: str) -> list[Answer]:
    """Send statements as one message and return the answers of all; the first error is raised and ends them.

    Without a cursor, which would cost as much as the server takes for a short statement.
    """
    pgconn = connection.pgconn
    with connection.lock:
        pgconn.send_query("\n;".join(statements).encode())
        results = connection.wait(generators.execute(pgconn))
    return [_answer(connection, result) for result in results]


def _answer(connection: ShardConnection, result: PGresult) -> Answer:
    match result.status:
        case pq.ExecStatus.TUPLES_OK:
            transformer = Transformer(connection)
            transformer.set_pgresult(result)
            return Answer(_status(result), result.ntuples, transformer.load_rows(0, result.ntuples, tuple))
        case pq.ExecStatus.COMMAND_OK | pq.ExecStatus.EMPTY_QUERY:
            rowcount = result.command_tuples
            return Answer(_status(result), -1 if rowcount is None else rowcount, [])
        case pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result, encoding=connection.info.encoding)
        case other:
            connection.close()  # it waits for data of a COPY
            raise ConfigurationError(f"the SQL holds what is not for here ({pq.ExecStatus(other).name}); see load")


def _status(result: PGresult) -> str:
    return (result.command_status or b"").decode()


def planned(connection: ShardConnection, statement: str) -> str:
    """What to send instead of a statement that comes again and again: from its second time on its plan is kept.

    Planning a gate check takes longer than the check. EXECUTE runs it where it stands, like any statement.
    """
    name = connection.prepared.get(statement)
    if name is not None:
        return f"EXECUTE {name}"
    if len(connection.prepared) == MOST_PREPARED:
        return statement
    if statement not in connection.sent_once:
        if len(connection.sent_once) == MOST_PREPARED:
            connection.sent_once.clear()
        connection.sent_once.add(statement)
        return statement
    name = f"{PREPARED_PREFIX}{len(connection.prepared)}"
    send(connection, f"PREPARE {name} AS {statement}")
    connection.sent_once.remove(statement)
    connection.prepared[statement] = name
    return f"EXECUTE {name}"
