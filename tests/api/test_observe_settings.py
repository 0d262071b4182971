"""What Patroni keeps of a shard beside its Services, read from a real API server."""

import json

import pytest

from api.apiserver import ApiServer
from caisson_operator.api.resource import load_sharded_database
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.sharded_database.observe import observe_objects
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted

SETTINGS = {"synchronous_mode": True, "postgresql": {"parameters": {"max_wal_size": "128MB"}}}


def wanted(namespace: str) -> Wanted:
    spec = {
        "shards": 3,
        "storage": {"size": "1Gi"},
        "schema": {"migrations": [{"id": "001", "sql": "CREATE TABLE flights ()"}]},
        "tables": [{"name": "flights", "key": ["tailnum"], "strategy": "hash", "buckets": 4}],
    }
    metadata = {"name": "flights", "namespace": namespace, "uid": "0"}
    return read_wanted(load_sharded_database({"metadata": metadata, "spec": spec}), Engine("image"))


def make_state(server: ApiServer, namespace: str, name: str, database: str, **annotations: str) -> None:
    """As Patroni makes it: it gives its labels to all that it keeps."""
    server.kubectl("create", "-n", namespace, "-f", "-", stdin=state(name, database, annotations))


def state(name: str, database: str, annotations: dict[str, str]) -> dict[str, object]:
    labels = {"caisson.dev/kind": "ShardedDatabase", "caisson.dev/database": database}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    }


@pytest.mark.asyncio
async def test_reads_the_settings_of_the_shards_that_have_bootstrapped(server: ApiServer, namespace: str) -> None:
    make_state(server, namespace, "flights-s0", "flights", leader="flights-s0-0")
    make_state(server, namespace, "flights-s0-config", "flights", config=json.dumps(SETTINGS), initialize="7")
    make_state(server, namespace, "flights-s1-config", "flights", initialize="8")
    make_state(server, namespace, "planes-s2-config", "planes", config=json.dumps(SETTINGS))
    async with open_kube_api(str(server.kubeconfig)) as kube:
        found = await observe_objects(kube, wanted(namespace))
    assert found.settings == {"s0": SETTINGS}


@pytest.mark.asyncio
async def test_reads_leader_standby_and_history_in_the_same_listing(server: ApiServer, namespace: str) -> None:
    promoted = [1, 50331984, "no recovery target specified", "2026-01-01T11:59:57.25+00:00", "flights-s0-1"]
    make_state(server, namespace, "flights-s0", "flights", leader="flights-s0-1", renewTime="2026-01-01T12:00:00+00:00")
    kept = {"config": json.dumps(SETTINGS), "history": json.dumps([promoted])}
    make_state(server, namespace, "flights-s0-config", "flights", **kept)
    make_state(server, namespace, "flights-s0-sync", "flights", leader="flights-s0-1", sync_standby="flights-s0-0")
    make_state(server, namespace, "flights-s0-failover", "flights", leader="flights-s0-1", member="flights-s0-0")
    make_state(server, namespace, "planes-s1-sync", "planes", leader="planes-s1-0")
    async with open_kube_api(str(server.kubeconfig)) as kube:
        found = await observe_objects(kube, wanted(namespace))
    assert set(found.patroni) == {"s0"}, "the others have not bootstrapped"
    state = found.patroni["s0"]
    assert (state.leader, state.sync_leader, state.sync_standbys) == ("flights-s0-1", "flights-s0-1", ("flights-s0-0",))
    assert [(line.timeline, line.new_leader) for line in state.history] == [(1, "flights-s0-1")]
    assert (state.asked_from, state.asked_to) == ("flights-s0-1", "flights-s0-0")
