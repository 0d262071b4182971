"""What early expiry relies on of a real API server: that versions are compared, and when they change."""

import asyncio
import base64
import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
import yaml

from api.apiserver import ApiServer
from early_expiry.decide import ExpireLeader, HideMember, TouchSync
from early_expiry.effects import TOUCHED, Hands, NothingTouched
from early_expiry.kube import Conflict, Kube
from early_expiry.observe import Eyes
from early_expiry.records import NO_SYNC, LeaderRecord, SyncRecord
from early_expiry.timings import Timings

ANNOTATIONS = {
    "flights-s0": {"leader": "flights-s0-0", "acquireTime": "a", "renewTime": "r", "ttl": "20", "optime": "1"},
    "flights-s0-config": {"config": '{"ttl":30,"loop_wait":10,"retry_timeout":10}'},
    "flights-s0-sync": {"leader": "flights-s0-0", "sync_standby": "flights-s0-1", "quorum": "0"},
}


@dataclass
class Shard:
    server: ApiServer
    namespace: str
    kube: Kube

    @property
    def eyes(self) -> Eyes:
        return Eyes(self.kube, "flights-s0", own_address="127.0.0.1", members=urllib3.PoolManager())

    def hands(self, stamps: "itertools.count[int] | itertools.repeat[int]") -> Hands:
        return Hands(self.kube, "flights-s0", "flights-s0-1", unix_nanoseconds=stamps.__next__)

    def create(self, name: str, kind: str = "Endpoints", **rest: object) -> None:
        manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **rest}
        manifest["metadata"] = {"name": name, "annotations": ANNOTATIONS.get(name, {"status": "{}"})}
        self.server.kubectl("create", "-n", self.namespace, "-f", "-", stdin=manifest)

    def leader(self) -> LeaderRecord:
        return asyncio.run(self.eyes.read_leader())

    def sync(self) -> SyncRecord:
        return asyncio.run(self.eyes.read_sync())


@pytest.fixture
def shard(server: ApiServer, namespace: str, tmp_path: Path) -> Shard:
    config = yaml.safe_load(server.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (tmp_path / "token").write_text(config["users"][0]["user"]["token"])
    pool = urllib3.PoolManager(ca_certs=str(tmp_path / "ca.crt"))
    kube = Kube(pool, f"{cluster['server']}/api/v1/namespaces/{namespace}", tmp_path / "token", seconds=30)
    shard = Shard(server, namespace, kube)
    ports = [{"name": "postgresql", "port": 5432}]
    shard.create("flights-s0", subsets=[{"addresses": [{"ip": "10.0.0.1"}], "ports": ports}])
    shard.create("flights-s0-sync")
    shard.create("flights-s0-config")
    return shard


def test_ends_a_lead_and_leaves_the_rest_of_the_record(shard: Shard) -> None:
    before, sync = shard.leader(), shard.sync()
    assert (before.leader, before.address) == ("flights-s0-0", "10.0.0.1")
    steps = (TouchSync(sync.version), HideMember("flights-s0-0"), ExpireLeader(before.version))
    asyncio.run(shard.hands(itertools.count()).apply(steps))
    found = shard.server.get("endpoints", "flights-s0", "-n", shard.namespace)
    assert "leader" not in found["metadata"]["annotations"]
    assert found["metadata"]["annotations"].items() >= {"acquireTime": "a", "renewTime": "r", "optime": "1"}.items()
    assert found["subsets"], "the next leader's takes its place"
    assert shard.sync().standbys == sync.standbys
    mark = shard.server.get("endpoints", "flights-s0-sync", "-n", shard.namespace)["metadata"]["annotations"]
    assert mark[TOUCHED] == "flights-s0-1 0"


def test_a_touch_defeats_a_write_that_was_in_flight(shard: Shard) -> None:
    sync = shard.sync()
    asyncio.run(shard.hands(itertools.count()).touch_sync(sync.version))
    leaders = {"metadata": {"resourceVersion": sync.version, "annotations": {"sync_standby": None}}}
    with pytest.raises(Conflict):
        asyncio.run(shard.kube.patch("endpoints/flights-s0-sync", leaders))
    assert shard.sync().standbys == {"flights-s0-1"}


def test_a_leader_that_has_renewed_since_keeps_its_lead(shard: Shard) -> None:
    before = shard.leader()
    renewal = {"metadata": {"resourceVersion": before.version, "annotations": {"renewTime": "later"}}}
    asyncio.run(shard.kube.patch("endpoints/flights-s0", renewal))
    with pytest.raises(Conflict):
        asyncio.run(shard.hands(itertools.count()).expire_leader(before.version))
    assert (shard.leader().leader, shard.leader().renewed) == ("flights-s0-0", "later")


def test_a_touch_that_changes_nothing_raises_no_version_and_is_noticed(shard: Shard) -> None:
    hands = shard.hands(itertools.repeat(7))
    asyncio.run(hands.touch_sync(shard.sync().version))
    with pytest.raises(NothingTouched):
        asyncio.run(hands.touch_sync(shard.sync().version))


def test_hides_a_pod_and_does_not_miss_one_that_is_gone(shard: Shard) -> None:
    shard.create("flights-s0-0", "Pod", spec={"containers": [{"name": "x", "image": "x"}]})
    asyncio.run(shard.hands(itertools.count()).hide_member("flights-s0-0"))
    found = shard.server.get("pod", "flights-s0-0", "-n", shard.namespace)
    assert "status" not in found["metadata"].get("annotations", {})
    asyncio.run(shard.hands(itertools.count()).hide_member("flights-s0-9"))


def test_timings_are_those_that_patroni_keeps_and_the_shortest_before_it_keeps_any(shard: Shard) -> None:
    assert asyncio.run(shard.eyes.read_timings()) == Timings(loop_wait=10, ttl=30)
    shard.server.kubectl("delete", "endpoints", "flights-s0-config", "-n", shard.namespace)
    assert asyncio.run(shard.eyes.read_timings()) == Timings()


def test_a_shard_without_a_sync_record_is_asynchronous(shard: Shard) -> None:
    shard.server.kubectl("delete", "endpoints", "flights-s0-sync", "-n", shard.namespace)
    assert shard.sync() == NO_SYNC
