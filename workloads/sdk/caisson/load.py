"""Bulk loading: rows are split by bucket and copied to their shards, each row exactly once whatever breaks.

A batch is a slice of the input, in order, so that it has the same number whoever counts. What one shard owns of it is
one transaction: COPY, one idempotency row a bucket (`load:<load>:<batch>`), the gates of all its buckets, COMMIT. A
refused or doubtful batch is split anew by the present map; buckets whose idempotency row exists are left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self
from uuid import uuid4

from caisson.attempt import InDoubt, Refused, attempt, commit
from caisson.connections import ShardConnection
from caisson.endpoints import Endpoints
from caisson.errors import BadKey, ConfigurationError
from caisson.map_source import MapSource
from caisson.messages import send
from caisson.outcome import Verdict
from caisson.pacing import Pacing
from caisson.shard_map import Placement, ShardMap, Table
from caisson.statements import WAIT_FOR_STANDBY, find_results, gate_check, identifier, store_results
from caisson.transaction import BEGIN

BATCH_ROWS = 10_000

Row = Sequence[Any]
Batch = Mapping[int, list[Row]]
"""Rows by bucket."""


@dataclass(frozen=True, slots=True)
class Load:
    """One call of `ShardedDatabase.load`."""

    endpoints: Endpoints
    source: MapSource
    table: Table
    columns: tuple[str, ...]
    key_positions: tuple[int, ...]
    name: str

    @classmethod
    def of(
        cls,
        endpoints: Endpoints,
        source: MapSource,
        table_name: str,
        columns: Sequence[str],
        key: str | Sequence[str],
        name: str | None,
    ) -> Self:
        """Check the columns against the table's sharding key. Raises ConfigurationError."""
        table = source.current.table(table_name)
        keys = (key,) if isinstance(key, str) else tuple(key)
        if keys != table.key_columns:
            raise ConfigurationError(f"the sharding key of {table.name!r} is {table.key_columns}, not {keys}")
        missing = [column for column in keys if column not in columns]
        if missing:
            raise ConfigurationError(f"the columns to load lack the sharding key's {missing}")
        positions = tuple(list(columns).index(column) for column in keys)
        return cls(endpoints, source, table, tuple(columns), positions, name or str(uuid4()))

    def copy(self, rows: Iterable[Row], progress: Callable[[int], None] | None, timeout_seconds: float) -> int:
        """Load all rows. Returns their number."""
        done = 0
        for number, batch_rows in enumerate(_slices(rows)):
            self._copy_batch(f"load:{self.name}:{number}", self._split(batch_rows, done), timeout_seconds)
            done += len(batch_rows)
            if progress is not None:
                progress(done)
        return done

    def _split(self, rows: Sequence[Row], first: int) -> Batch:
        current = self.source.current
        by_bucket: dict[int, list[Row]] = defaultdict(list)
        for number, row in enumerate(rows, start=first):
            try:
                key = tuple(row[position] for position in self.key_positions)
                by_bucket[current.bucket(self.table, key)].append(row)
            except (BadKey, IndexError) as error:
                raise BadKey(f"row {number} of the load: {error}") from error
        return by_bucket

    def _copy_batch(self, batch_key: str, batch: Batch, timeout_seconds: float) -> None:
        pacing = Pacing(self.source, timeout_seconds, is_repeatable=True)
        left = dict(batch)
        while left:
            pacing.begin_attempt()
            try:
                self._copy_to_shards(batch_key, left, pacing.attempt_deadline)
            except (Refused, InDoubt) as failure:
                pacing.after(failure)

    def _copy_to_shards(self, batch_key: str, left: MutableMapping[int, list[Row]], deadline: float) -> None:
        """All shards at the same time. Takes what is done out of `left`, then raises the first failure there was."""
        parts = _by_shard(self.source.current, self.table, left)
        with ThreadPoolExecutor(len(parts)) as workers:
            copies = [workers.submit(self._copy_to_shard, gates, batch_key, dict(left), deadline) for gates in parts]
        for gates, copy in zip(parts, copies, strict=True):
            if copy.exception() is None:
                for gate in gates:
                    del left[gate.bucket]
        for copy in copies:
            copy.result()

    def _copy_to_shard(self, gates: list[Placement], batch_key: str, batch: Batch, deadline: float) -> None:
        pool = self.endpoints.primary_pool(self.source.current.addresses[gates[0].shard])
        attempt(pool, deadline, gates, lambda connection, _: self._transact(connection, gates, batch_key, batch))

    def _transact(self, connection: ShardConnection, gates: list[Placement], batch_key: str, batch: Batch) -> None:
        stored = {bucket for (bucket,) in send(connection, BEGIN, find_results(gates, batch_key))[-1].rows}
        missing = [gate for gate in gates if gate.bucket not in stored]
        if not missing:
            commit(connection, WAIT_FOR_STANDBY)
            return
        columns = ", ".join(identifier(column) for column in self.columns)
        with connection.cursor().copy(f"COPY {identifier(self.table.name)} ({columns}) FROM STDIN") as copy:
            for gate in missing:
                for row in batch[gate.bucket]:
                    copy.write_row(row)
        commit(connection, store_results(missing, batch_key, "null"), gate_check(gates))


def _slices(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch


def _by_shard(current: ShardMap, table: Table, buckets: Iterable[int]) -> list[list[Placement]]:
    """The placements of the buckets, a list a shard. Raises Refused while one of them has no owner."""
    shards: dict[str, list[Placement]] = defaultdict(list)
    for bucket in sorted(buckets):
        placement = current.placements.get((table.group, bucket))
        if placement is None or placement.shard not in current.addresses:
            raise Refused(Verdict.MOVED, f"no shard has claimed bucket {bucket} of {table.group!r} yet")
        shards[placement.shard].append(placement)
    return list(shards.values())
