"""Every rule of BackingCluster, with one object that it admits and one that it refuses, and with the words that it says."""

from dataclasses import dataclass
from typing import Any

import pytest

from api.apiserver import ApiServer

Manifest = dict[str, Any]


def cluster(spec: Manifest, namespace: str = "default", name: str = "cache") -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "caisson.dev/v1alpha1", "kind": "BackingCluster", "metadata": metadata, "spec": spec}


def redis(**changes: Any) -> Manifest:
    return {"type": "redis", "storage": {"size": "1Gi"}, **changes}


def zookeeper(**changes: Any) -> Manifest:
    return {"type": "zookeeper", "storage": {"size": "1Gi"}, **changes}


@dataclass(frozen=True)
class Rule:
    name: str
    admitted: Manifest
    refused: Manifest
    says: str


AT_BIRTH = [
    Rule("odd numbers for redis", redis(members=5), redis(members=4), "survives no more failures than one fewer"),
    Rule("odd numbers for redlock", redis(members=7, topology="independent"), redis(members=4, topology="independent"),
         "survives no more failures than one fewer, and costs one more"),
    Rule("odd numbers for zookeeper", zookeeper(members=1), zookeeper(members=2), "set members to 1, 3, 5 or 7"),
    Rule("redis has a majority", redis(members=3), redis(members=1), "3, 5 or 7 members"),
    Rule("redlock has a majority", redis(topology="independent"), redis(members=1, topology="independent"), "3, 5 or 7"),
    Rule("at most seven", zookeeper(members=7), zookeeper(members=9), "should be less than or equal to 7"),
    Rule("the type is known", redis(), redis(type="etcd"), "supported values"),
    Rule("there is a type", redis(), {"storage": {"size": "1Gi"}}, "spec.type: Required value"),
    Rule("the topology is known", redis(topology="replicated"), redis(topology="sharded"), "supported values"),
    Rule("topology is for redis", zookeeper(), zookeeper(topology="replicated"), "topology is for type redis"),
    Rule("persistence is known", redis(persistence="always"), redis(persistence="never"), "supported values"),
    Rule("persistence is for redis", zookeeper(), zookeeper(persistence="always"), "persistence is for type redis"),
    Rule("storage has a size", redis(), redis(storage={}), "storage.size: Required value"),
    Rule("deletionPolicy is known", redis(deletionPolicy="Delete"), redis(deletionPolicy="Keep"), "supported values"),
]  # fmt: skip

IN_LIFE = [
    Rule("type stays", redis(members=5), zookeeper(), "type is fixed once the cluster is made"),
    Rule("topology stays", redis(topology="replicated"), redis(topology="independent"), "topology is fixed"),
    Rule("members may change", redis(members=5), redis(members=4), "survives no more failures"),
    Rule("volumes never shrink", redis(storage={"size": "2Gi"}), redis(storage={"size": "1023Mi"}), "size can only grow"),
    Rule("classes stay", redis(), redis(storage={"size": "1Gi", "storageClassName": "fast"}), "storageClassName is fixed"),
]  # fmt: skip


@pytest.mark.parametrize("rule", AT_BIRTH, ids=lambda rule: rule.name)
def test_rule_at_birth(server: ApiServer, rule: Rule) -> None:
    dry_run = ("create", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=cluster(rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=cluster(rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest.mark.parametrize("rule", IN_LIFE, ids=lambda rule: rule.name)
def test_rule_in_life(server: ApiServer, namespace: str, rule: Rule) -> None:
    server.kubectl("create", "-f", "-", stdin=cluster(redis(), namespace))
    change = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    server.kubectl(*change, stdin=cluster(rule.admitted, namespace))
    refused = server.try_kubectl(*change, stdin=cluster(rule.refused, namespace))
    assert refused.code != 0
    assert rule.says in refused.error


def test_the_members_of_an_independent_cluster_stay_as_many(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=cluster(redis(topology="independent"), namespace))
    refused = server.try_kubectl("scale", "-n", namespace, "backing/cache", "--replicas=5")
    assert refused.code != 0
    assert "could each find a majority" in refused.error


def test_a_cluster_is_scaled_by_kubectl(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=cluster(redis(), namespace))
    server.kubectl("scale", "-n", namespace, "backing/cache", "--replicas=5")
    assert server.get("backing", "cache", "-n", namespace)["spec"]["members"] == 5
    refused = server.try_kubectl("scale", "-n", namespace, "backing/cache", "--replicas=4")
    assert "set members to 1, 3, 5 or 7" in refused.error


@pytest.mark.parametrize(("name", "says"), [("Cache", "lower"), ("9cache", "letters"), ("a" * 31, "30 characters")])
def test_names_are_as_those_of_all_kinds(server: ApiServer, name: str, says: str) -> None:
    refused = server.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=cluster(redis(), name=name))
    assert refused.code != 0
    assert says in refused.error


def test_what_kubectl_prints_and_explains(server: ApiServer, namespace: str) -> None:
    server.kubectl("create", "-f", "-", stdin=cluster(redis(), namespace))
    head = server.kubectl("get", "backing", "-n", namespace).splitlines()[0].split()
    assert head == ["NAME", "TYPE", "PHASE", "MEMBERS", "SERVING", "READY", "LEADER", "EPOCH", "AGE"]
    assert "primaries that know nothing of each other" in server.kubectl("explain", "backing.spec.topology")
