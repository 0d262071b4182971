"""What Patroni keeps of a shard's settings, read from a real API server."""

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
    return read_wanted(load_sharded_database({"metadata": metadata, "spec": spec}), Engine("image", "account"))


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
