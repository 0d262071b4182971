"""A member of ZooKeeper whose disk is empty, though it has a vote: it elects nobody before it was given a copy.

What it had acknowledged may be on no other disk of those that are there. `db.autocreate=false` is what every member runs with
(workloads/zookeeper/zookeeper_member/configuration.py).
"""

from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient

from coordination.zookeeper import STARTING_SECONDS, Ensemble, Server, running_ensemble, wait_for
from zookeeper_member.configuration import NO_EMPTY_VOTES

NODE = "/acknowledged"
# The third wait of an election that comes to nothing: each is twice as long as the one before.
FRUITLESS = "Notification time out: 800"


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    with running_ensemble(3) as found:
        yield found


def lose_a_disk(ensemble: Ensemble) -> tuple[Server, Server, Server]:
    """A write is acknowledged by two; of these one is away now, and the other begins again without its disk.

    Returns the one that has the write, the one that lost it, and the one that never had it.
    """
    keeper = ensemble.leader
    forgetful, stale = (server for server in ensemble.servers if server is not keeper)
    stale.kill()
    client = KazooClient(keeper.host)
    client.start()
    client.create(NODE, b"")
    client.stop()
    client.close()
    for server in (keeper, forgetful):
        server.kill()
    forgetful.wipe()
    return keeper, forgetful, stale


def has_node(server: Server) -> bool:
    client = KazooClient(server.host)
    client.start()
    try:
        client.sync(NODE)
        return client.exists(NODE) is not None
    finally:
        client.stop()
        client.close()


def use_guard(*servers: Server) -> None:
    key, _, value = NO_EMPTY_VOTES.partition("=")
    for server in servers:
        server.settings = {**server.settings, key: value}


def test_an_empty_member_elects_nobody_and_the_write_is_there_once_one_is_back_that_has_it(ensemble: Ensemble) -> None:
    keeper, forgetful, stale = lose_a_disk(ensemble)
    use_guard(keeper, forgetful, stale)
    before = {server.number: len(server.log) for server in (forgetful, stale)}
    forgetful.start()
    stale.start()
    for server in (forgetful, stale):
        wait_for(
            lambda server=server: FRUITLESS in server.log[before[server.number] :],  # type: ignore[misc]
            STARTING_SECONDS,
            lambda server=server: server.log[-2000:],  # type: ignore[misc]
        )
    assert [forgetful.role, stale.role] == ["", ""]
    keeper.start()
    ensemble.wait_until_serving()
    assert [has_node(server) for server in ensemble.servers] == [True, True, True]


def test_without_the_guard_the_write_would_be_lost(ensemble: Ensemble) -> None:
    """The control."""
    _, forgetful, stale = lose_a_disk(ensemble)
    forgetful.start()
    stale.start()
    ensemble.wait_until_serving()
    assert [has_node(server) for server in (forgetful, stale)] == [False, False]


def test_a_member_that_begins_without_a_vote_is_given_a_copy() -> None:
    with running_ensemble(3) as ensemble:
        use_guard(*ensemble.servers)
        observer = next(server for server in ensemble.servers if server is not ensemble.leader)
        client = KazooClient(ensemble.leader.host)
        client.start()
        client.create(NODE, b"")
        client.stop()
        client.close()
        observer.kill()
        observer.wipe()
        key = f"server.{observer.number}"
        observer.settings = {
            **observer.settings,
            key: f"{observer.settings[key]}:observer",
            "peerType": "observer",
        }
        observer.start()
        wait_for(lambda: observer.role == "observer", STARTING_SECONDS, lambda: observer.log[-2000:])
        assert has_node(observer)
