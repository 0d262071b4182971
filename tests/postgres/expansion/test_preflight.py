"""Transactions that a new slot would wait for: told by their names before anything is made, and it goes on when they end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from caisson_operator.core.decisions import Decision, Settled, Wait
from caisson_operator.effects.postgres import copying
from caisson_operator.sharded_database import open_transactions
from caisson_operator.sharded_database.observed import Observed
from postgres.clusters import DATABASE, Cluster
from postgres.expansion.application import LoadOptions
from postgres.expansion.driver import Operator
from postgres.expansion.leftovers import find_leftovers, must_be_settled
from postgres.expansion.load import seed_rows
from postgres.expansion.stage import Stage

LOOKS = 3
WRITE = "CREATE TABLE {} AS SELECT 'a secret' AS note"
Hold = Callable[[Cluster, str], Iterator[str]]


@pytest.fixture
def seeded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    seed_rows(LoadOptions(binding=stage.binding))
    monkeypatch.setattr(open_transactions, "LONG_TRANSACTION_SECONDS", 0.0)
    return stage


def leave_prepared(cluster: Cluster, dbname: str) -> Iterator[str]:
    with cluster.connect(dbname=dbname) as connection:
        connection.execute("BEGIN")
        connection.execute(WRITE.format("prepared").encode())
        connection.execute("PREPARE TRANSACTION 'left over'")
        yield f"'left over' of {connection.info.user} in {dbname}"
        connection.execute("ROLLBACK PREPARED 'left over'")


def write_long(cluster: Cluster, dbname: str) -> Iterator[str]:
    with cluster.connect(dbname=dbname) as connection:
        connection.execute("SET application_name = 'nightly load'")
        connection.execute("BEGIN")
        connection.execute(WRITE.format("loaded").encode())
        yield f"in {dbname} (pid {connection.info.backend_pid}, application 'nightly load')"
        connection.execute("ROLLBACK")


HOLDS: list[tuple[Hold, str]] = [(leave_prepared, "PreparedTransaction"), (write_long, "LongTransaction")]


async def step_until(operator: Operator, reason: str) -> Wait:
    async with asyncio.timeout(30):
        while True:
            decision = await operator.step()
            if getattr(decision, "reason", "") == reason:
                assert isinstance(decision, Wait)
                return decision


def is_recorded(observed: Observed) -> bool:
    return observed.shards["s0"].expansion is not None


async def wait_behind(operator: Operator, hold: Iterator[str], reason: str) -> None:
    """It says again and again what it waits for, and makes nothing meanwhile."""
    with contextmanager(lambda: hold)() as named:
        for _ in range(LOOKS):
            told = await step_until(operator, reason)
            assert named in told.message
            assert "secret" not in told.message
            assert find_leftovers(operator.clusters) == []


@pytest.mark.parametrize("dbname", [DATABASE, "postgres"])
@pytest.mark.parametrize(("hold", "reason"), HOLDS)
def test_is_waited_for_before_the_expansion_is_recorded(seeded: Stage, hold: Hold, reason: str, dbname: str) -> None:
    async def play() -> Decision:
        operator = seeded.operator()
        try:
            await wait_behind(operator, hold(seeded.source, dbname), reason)
            assert not is_recorded(await operator.observe())
            return await operator.run()
        finally:
            await operator.close()

    assert isinstance(asyncio.run(play()), Settled)
    must_be_settled(seeded.clusters)


@pytest.mark.parametrize(("hold", "reason"), HOLDS)
def test_is_waited_for_before_a_copy_is_begun(seeded: Stage, hold: Hold, reason: str) -> None:
    async def play() -> Decision:
        operator = seeded.operator()
        try:
            await operator.run(until=is_recorded)
            await wait_behind(operator, hold(seeded.source, DATABASE), reason)
            return await operator.run()
        finally:
            await operator.close()

    assert isinstance(asyncio.run(play()), Settled)
    must_be_settled(seeded.clusters)


@pytest.mark.parametrize("hold", [leave_prepared, write_long])
def test_unseen_they_hold_the_slot_up_which_gives_up_in_time(
    seeded: Stage, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: whoever begins right after the look. The slot is not left behind, and the next look names it."""
    monkeypatch.setattr(copying, "SLOT_SECONDS", 1)

    async def play() -> Decision:
        operator = seeded.operator()
        try:
            await operator.run(until=is_recorded)
            with (
                contextmanager(lambda: hold(seeded.source, DATABASE))() as named,
                pytest.MonkeyPatch.context() as blind,
            ):
                blind.setattr("caisson_operator.sharded_database.expansion.wait_for_transactions", lambda _: Settled())
                told = await step_until(operator, "LongTransaction")
                assert "stay open: the slot of switch group" in told.message
                assert [line for line in find_leftovers(seeded.clusters) if "slot" in line] == []
                blind.undo()
                assert named in (await step_until(operator, dict(HOLDS)[hold])).message
            return await operator.run()
        finally:
            await operator.close()

    assert isinstance(asyncio.run(play()), Settled)
    must_be_settled(seeded.clusters)
