"""Nothing switches while the two sides differ; what writers change meanwhile is no difference."""

import asyncio

import psycopg
import pytest

from caisson_operator.core.decisions import Settled, Step
from caisson_operator.effects.postgres import verification
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.steps import Verify
from postgres.expansion.application import LoadOptions
from postgres.expansion.driver import Operator
from postgres.expansion.leftovers import find_owners, must_be_settled
from postgres.expansion.load import running_load, seed_rows
from postgres.expansion.stage import Stage

LOOKS = 5
PLANTED = {
    "a row changed on the target": "UPDATE {leaf} SET payload = 'other' WHERE (tailnum, seq) = ('{tail}', {seq})",
    "a row missing on the target": "DELETE FROM {leaf} WHERE (tailnum, seq) = ('{tail}', {seq})",
    "a row only on the target": "INSERT INTO {leaf} VALUES ('{tail}', 999999999, 'surplus')",
}
MENDED = {
    "a row changed on the target": "UPDATE {leaf} SET payload = '{payload}' WHERE (tailnum, seq) = ('{tail}', {seq})",
    "a row missing on the target": "INSERT INTO {leaf} VALUES ('{tail}', {seq}, '{payload}')",
    "a row only on the target": "DELETE FROM {leaf} WHERE seq = 999999999",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_nothing_switches_while_a_difference_stands(stage: Stage, fault: str) -> None:
    options = LoadOptions(binding=stage.binding)
    seed_rows(options)
    asyncio.run(plant_and_mend(stage, fault))
    must_be_settled(stage.clusters)


async def plant_and_mend(stage: Stage, fault: str) -> None:
    operator = stage.operator()
    try:
        await operator.run(until=is_indexed)
        row = write_on_target(stage, PLANTED[fault], None)
        for _ in range(LOOKS):
            await operator.step()
        assert mismatches(await operator.observe()) == [1]
        assert set(map(tuple, find_owners(stage.clusters).values())) == {("s0",)}
        write_on_target(stage, MENDED[fault], row)
        assert isinstance(await operator.run(), Settled)
        assert mismatches(await operator.observe()) == []
    finally:
        await operator.close()


def is_indexed(observed: Observed) -> bool:
    records = observed.shards["s1"].records.values() if "s1" in observed.shards else ()
    return len(records) == 4 and all(record.is_indexed for record in records)


def mismatches(observed: Observed) -> list[int]:
    found = [record.mismatches for shard in observed.shards.values() for record in shard.records.values()]
    return [number for number in found if number]


def write_on_target(stage: Stage, text: str, row: tuple[str, ...] | None) -> tuple[str, ...]:
    """On a leaf of the copy, past its CHECK's bucket: any row that it has (the last, so that the surplus is past the end)."""
    with stage.target.connect() as connection:
        leaf, tail, seq, payload = row or pick_row(connection)
        connection.execute(text.format(leaf=leaf, tail=tail, seq=seq, payload=payload).encode())
    return leaf, tail, seq, payload


def pick_row(connection: psycopg.Connection) -> tuple[str, ...]:
    """(leaf, tailnum, seq, payload) of the last row of some leaf."""
    for bucket in range(8, 16):
        leaf = f"flights_b{bucket}"
        text = f"SELECT tailnum, seq::text, payload FROM {leaf} ORDER BY 1 DESC, seq DESC LIMIT 1"
        row = connection.execute(text.encode()).fetchone()
        if row:
            return (leaf, *row)
    raise AssertionError("no leaf of the copy has a row")


def test_rows_that_writers_keep_changing_are_no_mismatch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHUNK_ROWS", 50)
    verified: list[Step] = []

    def after_step(step: Step) -> None:
        if isinstance(step, Verify):
            verified.append(step)

    options = LoadOptions(writers=4, pause_seconds=0.0, tails=24, rows_per_tail=100)
    with running_load(stage.clusters, stage.binding, options) as load:
        load.wait_for_writes(200)
        operator = stage.expand(after_step=after_step)
        findings = load.check()
    assert findings.is_clean, findings
    assert len(verified) == 4, "a group was looked at twice: a mismatch was found that is none"
    assert_all_rows_counted(operator, stage)


def assert_all_rows_counted(operator: Operator, stage: Stage) -> None:
    """The verification saw about as many rows as moved: it did not skip chunks."""
    with stage.target.connect() as connection:
        row = connection.execute("SELECT sum(row_count) FROM caisson.switch_group").fetchone()
        history = connection.execute("SELECT count(*) FROM flights WHERE seq BETWEEN 0 AND 999999").fetchone()
    assert row
    assert history
    assert row[0] >= history[0] > 0
