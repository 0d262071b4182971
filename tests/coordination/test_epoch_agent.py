"""The agent of the epoch on real servers: with a record in memory that compares as the API server does."""

from collections.abc import Iterator
from typing import Any

import pytest

from coordination.redis import Server, running_redis, running_replica
from epoch_agent.agent import Agent
from epoch_agent.decide import Raise
from epoch_agent.kube import Conflict
from epoch_agent.records import EPOCH_ANNOTATION, Records
from epoch_agent.server import read_server, write_key
from redis_member.resp import Connection

PASSWORD = "admin-pass"
SETTINGS = {"requirepass": PASSWORD, "masterauth": PASSWORD}

Manifest = dict[str, Any]


class Store:
    """A ConfigMap and Endpoints. `meanwhile` is called once, between somebody's reading and his writing."""

    def __init__(self) -> None:
        self.objects: dict[str, Manifest] = {
            "configmaps/cache-epoch": {"metadata": {"resourceVersion": "1"}, "data": {"epoch": "0"}},
            "endpoints/cache": {"metadata": {"resourceVersion": "1"}},
        }
        self.meanwhile: Manifest | None = None

    def read(self, path: str) -> Manifest:
        found = self.objects[path]
        return {**found, "metadata": {**found["metadata"]}}

    def replace(self, path: str, manifest: Manifest) -> Manifest:
        if self.meanwhile is not None:
            self.objects[path], self.meanwhile = self.meanwhile, None
        if manifest["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict(path)
        version = str(int(manifest["metadata"]["resourceVersion"]) + 1)
        self.objects[path] = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
        return self.objects[path]

    @property
    def epoch(self) -> int:
        return int(self.objects["configmaps/cache-epoch"]["data"]["epoch"])

    @property
    def leading(self) -> tuple[str, str]:
        """Where clients are led, and under which epoch."""
        found = self.objects["endpoints/cache"]
        address = found["subsets"][0]["addresses"][0]["ip"]
        return address, found["metadata"]["annotations"][EPOCH_ANNOTATION]


@pytest.fixture
def primary() -> Iterator[Server]:
    with running_redis(SETTINGS) as server:
        yield server


def connect(server: Server) -> Connection:
    return Connection(server.socket, PASSWORD)


def agent_of(server: Server, store: Store, address: str = "10.0.0.1") -> Agent:
    records = Records(store, "cache", "cache-0", address, now=lambda: "2026-01-01T00:00:00Z")
    return Agent(lambda: connect(server), records, sleep=lambda _: None, port=6379, leads_clients=True)


def key_of(server: Server) -> dict[str, str]:
    return {str(name): str(value) for name, value in server.connect().hgetall("caisson:epoch").items()}


def test_a_new_primary_gets_a_number_and_clients_are_led_to_it(primary: Server) -> None:
    store = Store()
    agent_of(primary, store).look()
    assert store.epoch == 1
    assert key_of(primary) == {"epoch": "1", "replid": primary.replication_id}
    assert store.leading == ("10.0.0.1", "1")


def test_looking_again_changes_nothing(primary: Server) -> None:
    store = Store()
    agent = agent_of(primary, store)
    for _ in range(120):
        agent.look()
    assert store.epoch == 1


def test_a_restart_takes_the_next_number(primary: Server) -> None:
    store = Store()
    agent_of(primary, store).look()
    primary.kill()
    primary.start()
    assert key_of(primary)["replid"] != primary.replication_id, "until its agent has looked it serves no lock"
    agent_of(primary, store).look()
    assert store.epoch == 2
    assert key_of(primary) == {"epoch": "2", "replid": primary.replication_id}


def test_a_server_that_lost_everything_serves_above_all_before(primary: Server) -> None:
    store = Store()
    agent_of(primary, store).look()
    primary.stop()
    primary.wipe()
    primary.start()
    agent_of(primary, store).look()
    assert key_of(primary)["epoch"] == "2"


def test_a_promoted_replica_serves_above_its_predecessor_which_raises_nothing_more(primary: Server) -> None:
    store = Store()
    old = agent_of(primary, store)
    with running_replica(primary) as replica:
        old.look()
        new = agent_of(replica, store, "10.0.0.2")
        new.look()
        assert store.epoch == 1, "a replica raises nothing"
        replica.promote()
        new.look()
        old.look()
        assert (key_of(replica)["epoch"], key_of(primary)["epoch"]) == ("2", "1")
        assert store.leading == ("10.0.0.2", "2")


def fail_over_without_the_newest(primary: Server, store: Store) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Tokens of a primary, and those of a replica that was promoted without the last ones."""
    with running_replica(primary) as replica:
        agent_of(primary, store).look()
        before = [take(primary) for _ in range(3)]
        replica.promote()
        before += [take(primary) for _ in range(5)]
        agent_of(replica, store).look()
        return before, [take(replica) for _ in range(3)]


def take(server: Server) -> tuple[int, int]:
    client = server.connect()
    return int(client.hget("caisson:epoch", "epoch") or 0), int(client.incr("counter"))


def test_tokens_do_not_go_back_when_the_newest_writes_are_lost(primary: Server) -> None:
    before, after = fail_over_without_the_newest(primary, Store())
    assert min(after) > max(before)


def test_control_without_the_epoch_the_same_failover_takes_tokens_back(primary: Server) -> None:
    before, after = fail_over_without_the_newest(primary, Store())
    assert min(counter for _, counter in after) <= max(counter for _, counter in before)


def test_a_primary_that_gets_its_first_replica_has_another_id_and_takes_the_next_number(primary: Server) -> None:
    """Redis begins its history of changes then. It costs a moment, and tells nobody anything wrong."""
    store = Store()
    agent = agent_of(primary, store)
    agent.look()
    with running_replica(primary):
        assert key_of(primary)["replid"] != primary.replication_id
        agent.look()
        assert key_of(primary) == {"epoch": "2", "replid": primary.replication_id}


def test_the_old_primary_does_not_lead_clients_back(primary: Server) -> None:
    store = Store()
    old = agent_of(primary, store)
    with running_replica(primary) as replica:
        old.look()
        replica.promote()
        agent_of(replica, store, "10.0.0.2").look()
        for _ in range(120):
            old.look()
    assert store.leading == ("10.0.0.2", "2")


def test_who_was_slower_begins_anew_with_a_higher_number(primary: Server) -> None:
    store = Store()
    store.meanwhile = {"metadata": {"resourceVersion": "2"}, "data": {"epoch": "1", "member": "cache-1"}}
    agent = agent_of(primary, store)
    agent.look()
    assert key_of(primary) == {}
    agent.look()
    assert key_of(primary)["epoch"] == "2"


def test_a_primary_that_takes_no_writes_yet_keeps_its_number_and_serves_when_it_does(primary: Server) -> None:
    store = Store()
    primary.connect().config_set("min-replicas-to-write", 1)
    agent = agent_of(primary, store)
    for _ in range(5):
        agent.look()
    assert (store.epoch, key_of(primary)) == (1, {})
    primary.connect().config_set("min-replicas-to-write", 0)
    agent.look()
    assert (store.epoch, key_of(primary)["epoch"]) == (1, "1")


def test_a_number_that_was_refused_is_not_written_once_a_higher_one_was_given(primary: Server) -> None:
    store = Store()
    primary.connect().config_set("min-replicas-to-write", 1)
    agent = agent_of(primary, store)
    agent.look()
    Records(store, "cache", "cache-1", "", now=str).raise_to(Raise(2, "x" * 40, "2"))
    primary.connect().config_set("min-replicas-to-write", 0)
    agent.look()
    assert key_of(primary)["epoch"] == "3"


@pytest.mark.parametrize(("epoch", "is_own_id", "result"), [(5, False, "CHANGED"), (1, True, "LOWER")])
def test_the_key_is_not_written_for_another_run_nor_with_a_lower_number(
    primary: Server, epoch: int, is_own_id: bool, result: str
) -> None:
    with connect(primary) as redis:
        replid = read_server(redis).replid
        assert write_key(redis, 1, replid) == "WRITTEN"
        assert write_key(redis, epoch, replid if is_own_id else "0" * 40) == result


def test_a_replica_takes_no_key(primary: Server) -> None:
    with running_replica(primary) as replica, connect(replica) as redis:
        assert write_key(redis, 9, read_server(redis).replid) == "DEMOTED"
