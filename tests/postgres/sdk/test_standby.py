"""Eventual reads: from a standby that knows of the bucket's latest move, else from the primary."""

from collections.abc import Iterator

import pytest

import caisson
from caisson import ShardedDatabase
from postgres.clusters import Cluster, running_clusters, running_standby

from .pair import background, stopped, wait_until
from .shards import Shards

# A read-only service has the port of the read-write one and another address; a second loopback address is just that.
READ_HOST = "127.0.0.2"
WHO = "SELECT pg_is_in_recovery(), count(*) FROM planes WHERE tailnum = 'A'"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Shards, Cluster]]:
    with running_clusters(2, {"fsync": "off"}) as clusters:
        shards = Shards(clusters, read_hosts={"s0": READ_HOST, "s1": "127.0.0.1"})
        shards.install(lambda group, bucket: 0)
        with running_standby(clusters[0]) as standby:
            standby.stop()
            standby.port = clusters[0].port
            with (standby.data / "postgresql.auto.conf").open("a") as conf:
                conf.write(f"port = {standby.port}\nlisten_addresses = '{READ_HOST}'\n")
            standby.start()
            yield shards, standby


@pytest.fixture
def db(pair: tuple[Shards, Cluster]) -> Iterator[ShardedDatabase]:
    with ShardedDatabase.connect(dsn=pair[0].dsn(), timeout=5) as database:
        yield database


def catch_up(shards: Shards, standby: Cluster) -> None:
    """Until the standby has replayed all that is on its primary now."""
    with shards.connect(0) as primary, standby.connect_at(READ_HOST) as replica:
        (position,) = primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or (None,)
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: replica.execute(replayed, (position,)).fetchone() == (True,))


def test_eventual_asks_the_standby_and_strong_the_primary(pair: tuple[Shards, Cluster], db: ShardedDatabase) -> None:
    db.execute("INSERT INTO planes VALUES ('A', 1)", key="A")
    catch_up(*pair)
    assert db.fetch(WHO, key="A", consistency="eventual") == [(True, 1)]
    assert db.fetch(WHO, key="A") == [(False, 1)]


def test_a_standby_that_has_not_heard_of_a_move_is_not_believed(pair: tuple[Shards, Cluster]) -> None:
    shards, standby = pair
    with ShardedDatabase.connect(dsn=shards.dsn(), timeout=5) as db:
        bucket = db.shard_map.bucket(db.shard_map.table("planes"), "A")
        shards.move(bucket, 0, 1)
        assert db.fetch(WHO, key="A", consistency="eventual") == [(False, 1)], "s1 has no standby"
        with shards.connect(0) as primary, standby.connect_at(READ_HOST) as replica:
            catch_up(shards, standby)
            replica.execute("SELECT pg_wal_replay_pause()")
            shards.move(bucket, 1, 0)
            assert db.fetch(WHO, key="A", consistency="eventual") == [(False, 1)], "the standby lags behind the move"
            replica.execute("SELECT pg_wal_replay_resume()")
            assert primary.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        catch_up(shards, standby)
        assert db.fetch(WHO, key="A", consistency="eventual") == [(True, 1)]


def test_without_its_standby_the_primary_answers(pair: tuple[Shards, Cluster], db: ShardedDatabase) -> None:
    pair[1].stop()
    assert db.fetch(WHO, key="A", consistency="eventual") == [(False, 1)]
    pair[1].start()


def test_while_there_is_no_primary_the_standby_goes_on_answering(pair: tuple[Shards, Cluster]) -> None:
    primary = pair[0].clusters[0]
    with ShardedDatabase.connect(dsn=pair[0].dsn(), timeout=5) as db:
        catch_up(*pair)
        primary.kill9()
        try:
            for _ in range(50):
                assert db.fetch(WHO, key="A", consistency="eventual") == [(True, 1)]
            with pytest.raises(caisson.Unavailable) as raised:
                db.fetch(WHO, key="A", timeout=1)
            assert raised.value.is_safe_to_retry
            assert db.fetch(WHO, key="A", consistency="eventual") == [(True, 1)]
        finally:
            primary.start()


def test_while_the_primary_hangs_the_standby_goes_on_answering(pair: tuple[Shards, Cluster]) -> None:
    primary = pair[0].clusters[0]
    with ShardedDatabase.connect(dsn=pair[0].dsn(), timeout=5) as db, stopped(*primary.processes):
        for _ in range(50):
            assert db.fetch(WHO, key="A", consistency="eventual") == [(True, 1)]
        with pytest.raises(caisson.Unavailable):
            db.fetch(WHO, key="A", timeout=1)


def test_a_standby_is_not_left_alone_while_there_is_no_primary(pair: tuple[Shards, Cluster]) -> None:
    """It could not be reached a moment ago, which earns it a rest, but nobody else can answer."""
    (primary, *_), standby = pair[0].clusters, pair[1]
    with ShardedDatabase.connect(dsn=pair[0].dsn(), timeout=60) as db:
        standby.stop("immediate")
        primary.kill9()
        try:
            reading = background(lambda: db.fetch(WHO, key="A", consistency="eventual"))
            pool = db._endpoints.standby_pool(db.shard_map.addresses["s0"])
            wait_until(lambda: pool is not None and pool.is_resting())
            standby.start()
            assert reading.result(30) == [(True, 1)]
        finally:
            primary.start()
