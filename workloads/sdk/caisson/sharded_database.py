"""The client of a ShardedDatabase: routes by key, checks before COMMIT, retries what was refused."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from caisson.attempt import InDoubt, Refused, attempt
from caisson.binding import binding_reader
from caisson.connections import ShardConnection
from caisson.endpoints import Endpoints
from caisson.errors import ConfigurationError, NoPrimary
from caisson.fence import Fenced
from caisson.load import Load
from caisson.map_source import MapSource
from caisson.messages import Rows
from caisson.outcome import Verdict
from caisson.pacing import Pacing
from caisson.reading import read_from_primary, read_from_standby, read_linearizably
from caisson.refusals import NotTrusted, PasswordRefused
from caisson.scatter import ScatterResult, scatter
from caisson.shard_map import Placement, ShardMap, Table
from caisson.statements import Result, bind
from caisson.transaction import Transaction, execute_once, execute_plainly, run_function

T = TypeVar("T")
CONSISTENCIES = ("strong", "linearizable", "eventual")
DEFAULT_TIMEOUT_SECONDS = 30.0
WAIT_FOR_ALL_SHARDS_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.1
FATAL = (PasswordRefused, NotTrusted, ConfigurationError)
"""Why a shard cannot be heard, where waiting does not help."""


class ShardedDatabase:
    """A database of several PostgreSQL shards, used as one. Thread-safe; close it, or use it in a `with`.

    Every operation takes `timeout` (seconds, all attempts together). A server that is silent for a third of it is given
    up where the operation may be repeated; one that may not waits for the answer. SQL errors are psycopg's.
    Open it after a fork, not before.
    """

    def __init__(self, endpoints: Endpoints, source: MapSource, timeout: float) -> None:
        self._endpoints = endpoints
        self._source = source
        self._timeout = timeout

    @classmethod
    def connect(
        cls,
        name: str | None = None,
        *,
        binding: str | Path | None = None,
        dsn: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        pool_size: int = 10,
    ) -> Self:
        """Open a database by its binding's name, by a binding's directory, or by a connection string of one shard.

        `timeout` is the default of every operation; `pool_size` is the most connections to one server.
        Raises ConfigurationError, or NoPrimary if no shard answers in time.
        """
        endpoints = Endpoints(binding_reader(name, binding, dsn), pool_size)
        source = MapSource(endpoints)
        database = cls(endpoints, source, timeout)
        try:
            database._begin(timeout)
        except BaseException:
            database.close()
            raise
        return database

    @property
    def shard_map(self) -> ShardMap:
        """What is known at this moment about tables, shards and owners."""
        return self._source.current

    def execute(
        self,
        sql: str,
        params: Any = None,
        *,
        key: Any,
        table: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Execute a statement on the shard of `key`, in a transaction of its own.

        With an `idempotency_key` (unique among those used with this `key`) it is done exactly once, however often it is
        tried; a replay gives the rowcount back, not the rows.
        Raises OutcomeUnknown if the connection was lost during COMMIT and there is no key, Unavailable at the deadline.
        """

        def work(connection: ShardConnection, gates: list[Placement]) -> Result:
            statement = bind(connection, sql, params)
            if idempotency_key is None:
                return execute_plainly(connection, gates, statement)
            return execute_once(connection, gates, statement, idempotency_key)

        return self._on_owner(key, table, work, timeout, is_repeatable=idempotency_key is not None)

    def fetch(
        self,
        sql: str,
        params: Any = None,
        *,
        key: Any,
        table: str | None = None,
        consistency: str = "strong",
        timeout: float | None = None,
    ) -> Rows:
        """Read from the shard of `key`, in a READ ONLY transaction.

        "strong" sees every write acknowledged before it began, unless this client is cut off together with an old
        primary; "linearizable" does so even then, and waits for the synchronous standby as a write does; "eventual" asks
        a standby, where there is one that has heard of the bucket's latest move, and may see older rows.
        """
        if consistency not in CONSISTENCIES:
            raise ConfigurationError(f"no consistency {consistency!r}; there are: {', '.join(CONSISTENCIES)}")
        read = read_linearizably if consistency == "linearizable" else read_from_primary

        def work(connection: ShardConnection, gates: list[Placement]) -> Rows:
            return read(connection, gates, bind(connection, sql, params))

        if consistency == "eventual":
            return self._on_standby_or_owner(key, table, (sql, params), work, timeout)
        return self._on_owner(key, table, work, timeout, is_repeatable=True)

    def run(
        self,
        key: Any,
        fn: Callable[[Transaction], T],
        *,
        table: str | None = None,
        idempotency_key: str | None = None,
        fence: Fenced | None = None,
        timeout: float | None = None,
    ) -> T:
        """Run `fn(tx)` in one transaction on the shard of `key`, and again as a whole when it was refused.

        `fn` may be called several times: it should do nothing but use `tx`. With an `idempotency_key` its result
        (anything that JSON can hold) is stored in the same transaction and returned to whoever uses that key again.

        `fence` is a lock that is held (caisson.Held, caisson.MultiHeld): the shard refuses the transaction once it has
        seen a newer token of that lock in the same bucket, with FencedOff, and what `fn` reads it reads behind the
        fence. All who change what the lock protects have to bring it along. Raises LockLost if the hold is known to be over.
        """

        def work(connection: ShardConnection, gates: list[Placement]) -> T:
            fences = () if fence is None else fence.fences()
            return run_function(connection, gates, self._route, fn, idempotency_key, fences)

        return self._on_owner(key, table, work, timeout, is_repeatable=idempotency_key is not None)

    def scatter(
        self, sql: str, params: Any = None, *, tables: Sequence[str] | None = None, timeout: float | None = None
    ) -> list[ScatterResult]:
        """Read from every shard, each bucket exactly once. See caisson.scatter for what the SQL may say."""
        return scatter(self._endpoints, self._source, sql, params, tables, self._seconds(timeout))

    def load(
        self,
        table: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        key: str | Sequence[str],
        *,
        progress: Callable[[int], None] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """Copy rows in bulk, each exactly once; `key` names the sharding key's columns. Returns the number of rows.

        `timeout` is for each batch. `progress` is called with the rows done so far. With an `idempotency_key` a load
        that broke off may be begun again with the same rows in the same order.
        """
        load = Load.of(self._endpoints, self._source, table, columns, key, idempotency_key)
        return load.copy(rows, progress, self._seconds(timeout))

    def close(self) -> None:
        """Close every connection and end the threads that listen."""
        self._endpoints.close()  # first, so that no thread goes on connecting
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, timeout: float) -> None:
        """Hear all shards that are known of; after a while those that answer are enough, and at the deadline one."""
        now = time.monotonic()
        deadline, patience = now + timeout, now + min(timeout, WAIT_FOR_ALL_SHARDS_SECONDS)
        while not self._source.is_complete():
            generation = self._source.generation
            self._source.begin(self._endpoints.binding, deadline)
            refused = [error for error in self._source.trouble.values() if isinstance(error, FATAL)]
            if refused and not self._source.heard:
                raise ConfigurationError(f"no shard lets this client in: {refused[0]}") from refused[0]
            now = time.monotonic()
            if now >= patience and self._source.heard:
                return
            if now >= deadline:
                raise NoPrimary(f"no shard answered within {timeout:g} s: {self._source.trouble}")
            self._source.wait_for_news(generation, LOOK_AGAIN_SECONDS)

    def _on_owner(
        self,
        key: Any,
        table: str | None,
        work: Callable[[ShardConnection, list[Placement]], T],
        timeout: float | None,
        *,
        is_repeatable: bool,
    ) -> T:
        pacing = Pacing(self._source, self._seconds(timeout), is_repeatable=is_repeatable)
        while True:
            pacing.begin_attempt()
            try:
                gates = [self._route(key, table)]
                pool = self._endpoints.primary_pool(self._source.current.addresses[gates[0].shard])
                return attempt(pool, pacing.attempt_deadline, gates, work)
            except (Refused, InDoubt) as failure:
                pacing.after(failure)

    def _route(self, key: Any, table: str | None) -> Placement:
        current = self._source.current
        description: Table = current.group(table)
        bucket = current.bucket(description, key)
        placement = current.placements.get((description.group, bucket))
        if placement is None or placement.shard not in current.addresses:
            raise Refused(Verdict.MOVED, f"no shard has claimed bucket {bucket} of {description.group!r} yet")
        return placement

    def _on_standby_or_owner(
        self,
        key: Any,
        table: str | None,
        statement: tuple[str, Any],
        work: Callable[[ShardConnection, list[Placement]], Rows],
        timeout: float | None,
    ) -> Rows:
        """Ask a standby, then the primary, in turn: while there is no primary the standbys answer all the same."""
        pacing = Pacing(self._source, self._seconds(timeout), is_repeatable=True)
        is_primary_there = True
        while True:
            pacing.begin_attempt()
            try:
                placement = self._route(key, table)
                address = self._source.current.addresses[placement.shard]
                standby = self._endpoints.standby_pool(address)
                if standby is not None and not (is_primary_there and standby.is_resting()):
                    rows = read_from_standby(standby, placement, *statement, pacing.attempt_deadline)
                    if rows is not None:
                        return rows
                return attempt(self._endpoints.primary_pool(address), pacing.attempt_deadline, [placement], work)
            except (Refused, InDoubt) as failure:
                is_primary_there = False
                pacing.after(failure)

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout
