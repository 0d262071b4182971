"""What may hold a switch up. Nobody is cancelled; the reason is told; it goes on when the way is free."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from caisson_operator.core.decisions import Decision, Refuse, Settled, Step
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.steps import OpenTarget
from postgres.clusters import Cluster
from postgres.expansion.application import LoadOptions
from postgres.expansion.driver import Operator
from postgres.expansion.ledger import Outcome, Write
from postgres.expansion.leftovers import must_be_settled
from postgres.expansion.load import running_load, seed_rows
from postgres.expansion.stage import Stage, set_stage, with_migrations

LOOKS = 3
WRITES = 20
PATIENCE_SECONDS = 60.0
ALL_PLANES = "UPDATE planes SET seats = seats + 1"


@pytest.fixture
def seeded(stage: Stage) -> Stage:
    seed_rows(LoadOptions(binding=stage.binding))
    return stage


@contextmanager
def open_transaction(cluster: Cluster, text: str, end: str = "COMMIT") -> Iterator[psycopg.Connection]:
    """A transaction of an application that stays open; it ends as it would by itself, so nobody may have cancelled it."""
    with cluster.connect(user="caisson_app") as connection:
        connection.execute("BEGIN")
        connection.execute(text.encode())
        yield connection
        connection.execute(end.encode())


def is_verified(observed: Observed) -> bool:
    records = observed.shards["s1"].records.values() if "s1" in observed.shards else ()
    return len(records) == 4 and all(record.is_verified for record in records)


async def step_until(operator: Operator, is_wanted: Callable[[Decision], bool]) -> Decision:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        decision = await operator.step()
        if is_wanted(decision):
            return decision
        assert time.monotonic() < deadline, f"still {decision}"


def has_reason(reason: str) -> Callable[[Decision], bool]:
    return lambda decision: getattr(decision, "reason", "") == reason


def expand_against(
    stage: Stage, hold: Callable[[], Iterator[None]], reason: str, meanwhile: Callable[[], None] = lambda: None
) -> Operator:
    """Once all is verified, something stands in the way: it is told again and again, and then goes away."""

    async def play() -> Operator:
        operator = stage.operator()
        try:
            await operator.run(until=is_verified)
            with contextmanager(hold)():
                for _ in range(LOOKS):
                    await step_until(operator, has_reason(reason))
                    meanwhile()
            assert isinstance(await operator.run(), Settled)
        finally:
            await operator.close()
        return operator

    operator = asyncio.run(play())
    must_be_settled(stage.clusters)
    return operator


def test_a_long_transaction_holds_the_fence_up_and_is_not_cancelled(seeded: Stage) -> None:
    def hold() -> Iterator[None]:
        with open_transaction(seeded.source, ALL_PLANES):
            yield

    expand_against(seeded, hold, "FenceHeldUp")
    with seeded.target.connect() as connection:
        assert set(connection.execute("SELECT DISTINCT seats FROM planes").fetchall()) == {(1,)}


def test_writers_pass_while_a_long_transaction_holds_the_fence_up(stage: Stage) -> None:
    """A fence that waits must not keep everybody else waiting behind its own lock."""
    options = LoadOptions(rows_per_tail=0)
    with running_load(stage.clusters, stage.binding, options) as load:

        def hold() -> Iterator[None]:
            with open_transaction(stage.source, "INSERT INTO flights SELECT tailnum, 77777, 'held' FROM planes"):
                load.wait_for_writes(WRITES)
                yield
                load.wait_for_writes(WRITES)

        load.seeded.append(Write(Outcome.ACKNOWLEDGED, inserted=tuple((t, 77777) for t in options.tail_names())))
        expand_against(stage, hold, "FenceHeldUp", lambda: load.wait_for_writes(WRITES))
        findings = load.check()
    assert findings.is_clean, findings


def test_a_prepared_transaction_is_waited_for_with_its_reason(seeded: Stage) -> None:
    def hold() -> Iterator[None]:
        with seeded.source.connect() as connection:
            connection.execute("BEGIN")
            connection.execute(ALL_PLANES.encode())
            connection.execute("PREPARE TRANSACTION 'left over'")
            yield
            connection.execute("COMMIT PREPARED 'left over'")

    expand_against(seeded, hold, "PreparedTransaction")
    with seeded.target.connect() as connection:
        assert set(connection.execute("SELECT DISTINCT seats FROM planes").fetchall()) == {(1,)}


def test_a_long_reader_holds_up_the_cleaning_and_nothing_else(seeded: Stage) -> None:
    def hold() -> Iterator[None]:
        with open_transaction(seeded.source, "SELECT count(*) FROM planes"):
            yield

    operator = expand_against(seeded, hold, "DetachHeldUp")
    assert operator.pauses, "the switch itself does not wait for readers"


def test_an_autovacuum_on_a_leaf_gives_way(tmp_path: Path) -> None:
    with set_stage(tmp_path, settings={"autovacuum_naptime": "1s"}) as stage:
        seed_rows(LoadOptions(binding=stage.binding, rows_per_tail=200))
        asyncio.run(play_vacuum(stage))
        must_be_settled(stage.clusters)
        assert "canceling autovacuum task" in stage.source.log, "the fence met no vacuum"


async def play_vacuum(stage: Stage) -> None:
    def after_step(step: Step) -> None:
        if isinstance(step, OpenTarget):
            slow_vacuum_down(stage.source, "2ms", -1)

    operator = stage.operator(after_step=after_step)
    try:
        await operator.run(until=is_verified)
        slow_vacuum_down(stage.source, "100ms", 1)
        with stage.source.connect() as connection:
            wait_for_vacuum(connection)
        assert isinstance(await operator.run(), Settled)
    finally:
        await operator.close()


def slow_vacuum_down(cluster: Cluster, delay: str, limit: int) -> None:
    with cluster.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET autovacuum_vacuum_cost_delay = '{delay}'".encode())
        connection.execute(f"ALTER SYSTEM SET autovacuum_vacuum_cost_limit = {limit}".encode())
        connection.execute("SELECT pg_reload_conf()")


def wait_for_vacuum(connection: psycopg.Connection) -> None:
    """Until an autovacuum worker is on a leaf of the first switch group."""
    leaves = ["flights_b8", "flights_b9"]
    text = """SELECT 1 FROM pg_stat_progress_vacuum WHERE relid::regclass::text = ANY(%s)"""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not connection.execute(text, (leaves,)).fetchone():
        assert time.monotonic() < deadline, "no autovacuum began"
        for leaf in leaves:
            connection.execute(f"UPDATE {leaf} SET payload = payload || 'x'".encode())
        time.sleep(0.2)


def test_a_table_without_a_key_is_refused(stage: Stage) -> None:
    keyless = "CREATE TABLE keyless (tailnum text, note text) PARTITION BY HASH (tailnum)"
    table = {"key": ["tailnum"], "group": "aircraft", "strategy": "hash", "buckets": 16}
    names = ("flights", "planes", "keyless")
    spec = with_migrations(keyless) | {"tables": [{"name": name, **table} for name in names]}

    async def play() -> Decision:
        operator = stage.operator(spec=spec)
        try:
            return await operator.run()
        finally:
            await operator.close()

    decision = asyncio.run(play())
    assert isinstance(decision, Refuse)
    assert decision.reason == "NoPrimaryKey"
    assert "keyless" in decision.message
