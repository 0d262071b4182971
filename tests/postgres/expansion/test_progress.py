"""How many rows move is estimated by the sources' statistics, before a leaf was ever analyzed too, and counted in the end."""

import asyncio
import time
from collections.abc import Callable

from caisson_operator.sharded_database.copy_progress import CopyProgress, measure_copy
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.switch_groups import view_groups
from postgres.clusters import Cluster
from postgres.expansion.application import LoadOptions
from postgres.expansion.driver import Operator
from postgres.expansion.load import seed_rows
from postgres.expansion.stage import Stage

PATIENCE_SECONDS = 30.0


def is_recorded(observed: Observed) -> bool:
    return observed.shards["s0"].expansion is not None


def measure(observed: Observed) -> CopyProgress:
    expansion = observed.shards["s0"].expansion
    assert expansion is not None
    return measure_copy(view_groups(expansion, observed.shards), len(expansion.groups))


def count_rows(cluster: Cluster, observed: Observed) -> int:
    expansion = observed.shards["s0"].expansion
    assert expansion is not None
    leaves = [f"{leaf.schema}.{leaf.name}" for group in expansion.groups for leaf in group.leaves]
    with cluster.connect() as connection:
        found = [connection.execute(f"SELECT count(*) FROM {leaf}".encode()).fetchall() for leaf in leaves]
    return sum(count for ((count,),) in found)


async def wait_for_total(operator: Operator, is_wanted: Callable[[int | None], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_wanted(total := measure(await operator.observe()).rows_total):
        assert time.monotonic() < deadline, f"still {total}"
        await asyncio.sleep(0.2)


def test_rows_are_estimated_first_and_counted_in_the_end(stage: Stage) -> None:
    seed_rows(LoadOptions(binding=stage.binding, rows_per_tail=40))

    async def play() -> tuple[int, CopyProgress]:
        operator = stage.operator()
        try:
            await operator.run(until=is_recorded)
            rows = count_rows(stage.source, await operator.observe())
            await wait_for_total(operator, lambda total: total == rows)
            with stage.source.connect() as connection:
                connection.execute("SELECT pg_stat_reset(); ANALYZE")
            await wait_for_total(operator, lambda total: total == rows)
            await operator.run()
            return rows, measure(await operator.observe())
        finally:
            await operator.close()

    rows, progress = asyncio.run(play())
    assert rows > 0
    assert progress == CopyProgress(rows, rows)
