"""What a primary says of its standbys, as the operator reads it, and the checkpoint ahead of a switchover."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caisson_operator.core.decisions import HeldUp
from caisson_operator.effects.postgres.catalog import read_catalog
from caisson_operator.effects.postgres.checkpoint import write_checkpoint
from caisson_operator.effects.postgres.sessions import Sessions
from postgres.clusters import BINARIES, Cluster, running_clusters, running_standby
from postgres.expansion.promotion import make_synchronous

MEMBER = "flights-s0-1"


def sessions_on(cluster: Cluster) -> Sessions:
    return Sessions(lambda _: cluster.dsn(), lambda _: cluster.dsn(), term=1)


async def read_standbys(cluster: Cluster) -> list[tuple[str, bool, int, str]]:
    sessions = sessions_on(cluster)
    try:
        return list((await read_catalog(await sessions.get("s0"), (), ())).standbys)
    finally:
        await sessions.close()


def read_checkpoint(cluster: Cluster) -> str:
    with cluster.connect() as connection:
        row = connection.execute("SELECT checkpoint_lsn::text FROM pg_control_checkpoint()").fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def subscribed(primary: Cluster) -> Iterator[None]:
    """A logical stream that runs, as an expansion's subscription has it."""
    with primary.connect() as connection:
        connection.execute("CREATE PUBLICATION p FOR ALL TABLES")
    conninfo = primary.dsn(application_name="caisson_1_1")
    options = ("-o", "proto_version=1", "-o", "publication_names=p", "--create-slot", "--start", "-f", "/dev/null")
    command = (BINARIES / "pg_recvlogical", "-d", conninfo, "--slot", "caisson_1_1", "-P", "pgoutput", *options)
    stream = subprocess.Popen(command)
    try:
        wait_until_two_stream(primary)
        yield
    finally:
        stream.terminate()
        stream.wait(10)


def wait_until_two_stream(primary: Cluster) -> None:
    deadline = time.monotonic() + 20
    with primary.connect() as connection:
        while connection.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'").rowcount < 2:
            assert time.monotonic() < deadline, "the standby and the subscriber do not stream"
            time.sleep(0.05)


def test_a_member_is_read_by_its_name_and_a_subscriber_is_no_standby() -> None:
    with running_clusters(1) as (primary,), running_standby(primary, MEMBER):
        make_synchronous(primary, f'"{MEMBER}"')
        with subscribed(primary):
            ((name, is_synchronous, lag_bytes, user),) = asyncio.run(read_standbys(primary))
    assert (name, is_synchronous, user) == (MEMBER, True, "postgres")
    assert lag_bytes >= 0


def test_a_primary_alone_has_no_standby() -> None:
    with running_clusters(1) as (primary,):
        assert asyncio.run(read_standbys(primary)) == []


def test_a_checkpoint_is_written_and_one_that_takes_too_long_lets_go() -> None:
    with running_clusters(1) as (primary,):
        with primary.connect() as connection:
            connection.execute("CREATE TABLE written AS SELECT generate_series(1, 1000)")
        before = read_checkpoint(primary)
        asyncio.run(write_checkpoint(sessions_on(primary), "s0"))
        assert read_checkpoint(primary) != before
        with pytest.raises(HeldUp, match="the checkpoint of s0"):
            asyncio.run(write_checkpoint(sessions_on(primary), "s0", seconds=0))
