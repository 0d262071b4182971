"""What a person types: apply with a mistake in it, scale, explain, get."""

from typing import Any

import pytest

from api.apiserver import ApiServer
from api.test_rules import BASE, changed, database


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({**BASE, "colour": "red"}, "spec.colour"),
        (changed(storage__speed="fast"), "spec.storage.speed"),
        (changed(tables__1__shards=2), "spec.tables[1].shards"),
    ],
)
def test_an_unknown_field_is_refused_by_name(
    server: ApiServer, namespace: str, spec: dict[str, Any], field: str
) -> None:
    for command in (("apply",), ("create",), ("apply", "--server-side")):
        refused = server.try_kubectl(*command, "-f", "-", stdin=database(namespace, spec))
        assert refused.code != 0
        assert field.split(".")[-1] in refused.error
    assert server.get("sdb", "-n", namespace)["items"] == []


def test_scale_raises_shards_and_cannot_lower_them(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    server.kubectl("scale", "-n", namespace, "sdb/flights", "--replicas=4")
    assert server.get("sdb", "flights", "-n", namespace)["spec"]["shards"] == 4
    refused = server.try_kubectl("scale", "-n", namespace, "sdb/flights", "--replicas=3")
    assert "shards can only grow for now" in refused.error


def test_a_small_resource_is_filled_with_defaults(server: ApiServer, namespace: str) -> None:
    spec = {"storage": {"size": "1Gi"}, "tables": [{"name": "t", "key": ["k"]}]}
    server.kubectl("create", "-f", "-", stdin=database(namespace, spec))
    made = server.get("sdb", "flights", "-n", namespace)["spec"]
    assert (made["shards"], made["membersPerShard"], made["durability"]) == (1, 2, "synchronous")
    assert made["deletionPolicy"] == "Retain"
    assert made["engine"] == {"type": "postgresql", "version": "15"}
    assert made["expansion"] == {"switchGroups": 8, "pauseBetweenGroups": "0s", "paused": False}
    assert made["tables"] == [{"name": "t", "key": ["k"], "strategy": "hash", "buckets": 64}]


def test_one_word_names_all_kinds(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    assert server.kubectl("get", "caisson", "-n", namespace, "-o", "name") == "shardeddatabase.caisson.dev/flights\n"


def test_get_shows_what_matters_in_columns(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    status = {
        "phase": "Expanding",
        "shardCount": 4,
        "conditions": [{"type": "Ready", "status": "True", "reason": "AllThere"}],
        "expansion": {
            "id": 1, "phase": "Switching", "fromShards": 2, "toShards": 4, "buckets": {"total": 32, "moved": 12}
        },
    }  # fmt: skip
    stub = {**database(namespace, BASE), "status": status}
    del stub["spec"]
    server.kubectl("apply", "--server-side", "--subresource=status", "-f", "-", stdin=stub)
    head, row = server.kubectl("get", "sdb", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "PHASE", "SHARDS", "READY", "EXPANSION", "MOVED", "OF", "AGE"]
    assert row.split()[:-1] == ["flights", "Expanding", "4", "True", "Switching", "12", "32"]


@pytest.mark.parametrize("path", ["sdb", "sdb.spec.tables.key", "sdb.spec.durability", "sdb.status.conditions.reason"])
def test_explain_has_a_description(server: ApiServer, path: str) -> None:
    said = server.kubectl("explain", path, "--api-version=caisson.dev/v1alpha1")
    assert "<empty>" not in said
    assert "DESCRIPTION" in said
