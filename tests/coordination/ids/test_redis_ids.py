"""Ids from a real Redis: no two alike through crashes, failovers and lost data; and not to be guessed."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis

import caisson
from caisson.ids.redis_ids import RedisIds
from caisson.locks.redis_dialing import dial_primary, read_url
from caisson.locks.redis_link import Link
from caisson.locks.store import split_token
from coordination.redis import Server, running_redis


@pytest.fixture
def server() -> Iterator[Server]:
    with running_redis() as server:
        server.raise_epoch(1)
        yield server


def open_ids(server: Server, *, is_managed: bool = True, most_step: int = 256) -> RedisIds:
    link = Link(dial_primary(lambda: read_url(server.url), 1.0))
    return RedisIds(link, "demo/orders", most_step, timeout=1.0, is_managed=is_managed)


def test_ids_ascend_by_steps_that_differ(server: Server) -> None:
    ids = open_ids(server)
    taken = [*ids.take(500), ids.next()]
    steps = {later - earlier for earlier, later in pairwise(taken)}
    assert min(steps) >= 1
    assert len(steps) > 100


def test_two_clients_never_get_the_same(server: Server) -> None:
    one, other = open_ids(server), open_ids(server)
    taken = [id for _ in range(200) for id in (*one.take(10), *other.take(10))]
    assert len(set(taken)) == len(taken)


def test_gives_nothing_until_the_epoch_was_raised_for_this_server(server: Server) -> None:
    ids = open_ids(server)
    before = ids.take(1000)
    server.kill()
    server.start()
    with pytest.raises(caisson.NoIds, match="EPOCH"):
        ids.next()
    server.raise_epoch(2)
    assert not set(before) & set(ids.take(1000))


def test_a_server_that_lost_everything_repeats_nothing(server: Server) -> None:
    before = open_ids(server).take(1000)
    server.kill()
    server.wipe()
    server.start()
    server.raise_epoch(2)
    assert not set(before) & set(open_ids(server).take(1000))


def test_without_the_epoch_a_server_that_lost_everything_repeats_ids(server: Server) -> None:
    """The control: a plain INCRBY, with steps that are no less random."""
    client: redis.Redis = server.connect()
    before = [client.incrby("orders", step) for step in range(1, 50)]
    server.kill()
    server.wipe()
    server.start()
    assert set(before) & {server.connect().incrby("orders", step) for step in range(1, 50)}


def test_an_old_primary_that_is_still_asked_gives_ids_of_its_own_epoch() -> None:
    with running_redis() as old, running_redis() as new:
        old.raise_epoch(1)
        new.raise_epoch(2)
        ids = [*open_ids(old).take(100), *open_ids(new).take(100)]
    assert len(set(ids)) == len(ids)
    assert {split_token(id)[0] for id in ids} == {1, 2}


def test_a_plain_server_raises_its_own_epoch() -> None:
    with running_redis() as server, caisson.IdAllocator.connect(url=server.url, space="orders") as ids:
        assert len(set(ids.take(100))) == 100
        with pytest.raises(caisson.ConfigurationError):
            ids.decode(ids.next())


def test_says_when_a_counter_is_used_up(server: Server) -> None:
    ids = open_ids(server)
    server.connect().set("demo/orders:ids:1", (1 << 40) - 10)
    with pytest.raises(caisson.IdsExhausted) as raised:
        ids.take(100)
    assert not raised.value.is_safe_to_retry
