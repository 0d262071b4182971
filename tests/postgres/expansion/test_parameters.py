"""What a real server says of its parameters is read as it means it."""

import asyncio

import pytest

from caisson_operator.core.decisions import Refused
from caisson_operator.effects.postgres.parameters import Row, read_parameters
from caisson_operator.sharded_database.parameters import refuse_faults
from postgres.clusters import running_clusters
from postgres.expansion.test_standbys import sessions_on

GOOD = {
    "work_mem": "16MB",
    "shared_buffers": "1GB",
    "statement_timeout": "2min",
    "random_page_cost": "1.1",
    "jit": "on",
    "datestyle": "ISO, DMY",
    "default_statistics_target": "200",
    "backend_flush_after": "0",
    "temp_tablespaces": "",
}
BAD = {"work_mem": "1kB", "jit": "maybe", "bytea_output": "octal", "block_size": "8192", "no_such_thing": "1"}


async def read() -> list[Row]:
    with running_clusters(1) as (cluster,):
        sessions = sessions_on(cluster)
        try:
            return await read_parameters(await sessions.get("s0"), [*GOOD, *BAD])
        finally:
            await sessions.close()


def test_a_server_takes_good_values_and_each_bad_one_is_told() -> None:
    rows = asyncio.run(read())
    refuse_faults(GOOD, rows)
    with pytest.raises(Refused) as refused:
        refuse_faults(BAD, rows)
    assert all(name in refused.value.message for name in BAD)
