"""Real PostgreSQL keeps the contract that the fake shards of tests/sim keep (tests/fakes/contract.py, roles_contract.py)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from psycopg import errors, sql

from caisson_operator.core.decisions import Step
from caisson_operator.core.layout import Leaf, SwitchGroup
from caisson_operator.effects.postgres.sessions import DeposedError
from caisson_operator.sharded_database.observed import Observed, Shard
from fakes.contract import ShardsContract
from fakes.roles_contract import MEMBER_ROLES, RolesContract
from postgres.clusters import Cluster
from postgres.expansion.driver import BUCKETS, Operator
from postgres.expansion.member_standby import admit, can_log_in
from postgres.expansion.stage import set_stage

COPY_SECONDS = 10.0  # far more than a copy of a few rows takes; the check that one never ends waits for all of it
POLL_SECONDS = 0.05

T = TypeVar("T")

UPSERT = "INSERT INTO flights VALUES (%s, %s, %s) ON CONFLICT (tailnum, seq) DO UPDATE SET payload = excluded.payload"
KEY_OF_BUCKET = """
SELECT 'N' || n FROM generate_series(1, 10000) AS n WHERE satisfies_hash_partition('flights'::regclass, %s, %s, 'N' || n) LIMIT 1
"""


@dataclass
class PostgresEngine:
    """`run` makes an operator of one term, lets it do one thing, and ends it."""

    clusters: list[Cluster]
    deposed: type[Exception] = DeposedError
    term: int = 2
    keys: dict[int, str] = field(default_factory=dict)

    def run(self, work: Callable[[Operator], Awaitable[T]], term: int) -> T:
        async def once() -> T:
            operator = Operator(self.clusters, 2, term)
            operator.actor.find_member_roles = MEMBER_ROLES.__getitem__
            try:
                return await work(operator)
            finally:
                await operator.close()

        return asyncio.run(once())

    def begin(self) -> None:
        def is_recorded(observed: Observed) -> bool:
            return "s0" in observed.shards and observed.shards["s0"].expansion is not None

        self.run(lambda operator: operator.run(until=is_recorded), self.term)

    def act(self, step: Step, term: int = 2) -> None:
        self.term = max(term, self.term)
        self.run(lambda operator: operator.actor.act(step), term)

    def observe(self) -> Mapping[str, Shard]:
        return self.run(lambda operator: operator.observe(), self.term).shards

    def copies_all(self, group: SwitchGroup) -> bool:
        """Ready, and a beat of now has gone through."""
        deadline = time.monotonic() + COPY_SECONDS
        while time.monotonic() < deadline:
            subscription = self.observe()["s1"].subscriptions[group.link]
            if subscription.tables_ready == subscription.tables:
                self._wait_for_beat(group, deadline)
                return True
            time.sleep(POLL_SECONDS)
        return False

    def write(self, shard: str, bucket: int, key: int, version: int) -> bool:
        """False where the database itself refuses the row: moved (CS001), or no such partition (23514)."""
        try:
            with self._connect(shard, "caisson_app") as connection:
                connection.execute(UPSERT, (self._key(bucket), key, str(version)))
        except psycopg.Error as error:
            if error.sqlstate not in ("CS001", errors.CheckViolation.sqlstate):
                raise
            return False
        return True

    def rows(self, shard: str, leaf: Leaf) -> dict[int, int]:
        text = sql.SQL("SELECT seq, payload FROM {}").format(sql.Identifier(leaf.schema, leaf.name))
        with self._connect(shard) as connection:
            return {row[0]: int(row[1]) for row in connection.execute(text).fetchall()}

    def lets_in(self, shard: str, role: str, password: str) -> bool:
        cluster = self._find(shard)
        admit(cluster)
        return can_log_in(cluster, role, password)

    def gate(self, shard: str, bucket: int) -> int:
        text = sql.SQL("SELECT last_value FROM caisson.{}").format(sql.Identifier(f"gate_aircraft_{bucket}"))
        return int(str(self._fetch(shard, text)))

    def set_gate(self, shard: str, bucket: int, epoch: int) -> None:
        text = sql.SQL("SELECT setval({}, {})").format(f"caisson.gate_aircraft_{bucket}", epoch)
        self._fetch(shard, text)

    def corrupt(self, leaf: Leaf, key: int) -> None:
        text = sql.SQL("UPDATE {} SET payload = '-1' WHERE seq = %s")
        with self._connect("s1") as connection:
            connection.execute(text.format(sql.Identifier(leaf.schema, leaf.name)), (key,))

    def beat(self, group: SwitchGroup) -> None:
        text = "INSERT INTO {0} SELECT coalesce(max(beat), 0) + 1 FROM {0}"
        with self._connect(group.source) as connection:
            connection.execute(sql.SQL(text).format(sql.Identifier("caisson", group.sentinel)))

    @contextmanager
    def open_transaction(self, shard: str, bucket: int) -> Iterator[None]:
        with self._connect(shard) as connection:
            connection.execute("BEGIN")
            connection.execute(UPSERT, (self._key(bucket), 1, "1"))
            yield
            connection.execute("ROLLBACK")

    def _wait_for_beat(self, group: SwitchGroup, deadline: float) -> None:
        self.beat(group)
        last = sql.SQL("SELECT max(beat) FROM {}").format(sql.Identifier("caisson", group.sentinel))
        while self._fetch(group.source, last) != self._fetch(group.target, last):
            assert time.monotonic() < deadline, "the subscription is ready, but does not follow"
            time.sleep(POLL_SECONDS)

    def _key(self, bucket: int) -> str:
        if bucket not in self.keys:
            self.keys[bucket] = str(self._fetch("s0", KEY_OF_BUCKET, (BUCKETS, bucket)))
        return self.keys[bucket]

    def _fetch(self, shard: str, text: str | sql.Composed, values: tuple[int, ...] = ()) -> int | str | None:
        with self._connect(shard) as connection:
            row = connection.execute(text, values).fetchone()
        return row[0] if row else None

    def _connect(self, shard: str, user: str = "postgres") -> psycopg.Connection:
        return self._find(shard).connect(user)

    def _find(self, shard: str) -> Cluster:
        return self.clusters[int(shard[1:])]


class TestPostgres(ShardsContract, RolesContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[PostgresEngine]:
        with set_stage(tmp_path) as stage:
            engine = PostgresEngine(stage.clusters)
            engine.begin()
            yield engine
