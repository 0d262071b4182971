"""What the operator does to the members of a BackingCluster, on a real API server: claims that grow, and one that is given up.

There are no nodes and no controllers, so what those would do is written by hand.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from api.apiserver import ApiServer
from api.members import asked_for, make_claim, make_class, make_local_volume, make_node, make_pod
from caisson_operator.api.resource import BackingCluster, load_backing_cluster
from caisson_operator.backing_cluster.manifests import build_objects
from caisson_operator.backing_cluster.provisioning import build_shape
from caisson_operator.backing_cluster.room import BackingClusterRoom
from caisson_operator.backing_cluster.wanted import read_wanted
from caisson_operator.core.decisions import HeldUp, Plan, Refuse
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import GrowVolume
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.kube_session import open_kube_api
from fakes.backing_clusters import IMAGES, PASSWORDS

pytestmark = pytest.mark.asyncio

LABELS = {"caisson.dev/kind": "BackingCluster", "caisson.dev/name": "cache"}
MEMBER, CLAIM = "cache-1", "data-cache-1"


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


def resource(namespace: str, size: str = "1Gi", **spec: Any) -> BackingCluster:
    metadata = {"name": "cache", "namespace": namespace, "uid": "0"}
    return load_backing_cluster({"metadata": metadata, "spec": {"type": "redis", "storage": {"size": size}, **spec}})


def build_room(kube: KubeApi, reads_nodes: bool = True) -> BackingClusterRoom:
    return BackingClusterRoom(kube, IMAGES, reads_nodes=reads_nodes)


async def test_a_claim_is_raised(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    make_class(server, "elastic", can_grow=True)
    uid = make_claim(server, namespace, CLAIM, "elastic", labels=LABELS)
    room, larger = build_room(kube), resource(namespace, "2Gi")
    decision = room.decide(larger, await room.observe(larger))
    assert isinstance(decision, Plan)
    assert decision.steps == (GrowVolume(CLAIM, uid, "2Gi"),)
    await room.act(larger, decision.steps[0])
    assert asked_for(server, namespace, CLAIM) == "2Gi"
    assert not isinstance(room.decide(larger, await room.observe(larger)), Plan), "the passwords are refused next"


async def test_the_stateful_set_is_applied_with_the_size_that_it_was_made_with(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    """Kubernetes refuses any other."""
    for size, members in (("1Gi", 3), ("2Gi", 5)):
        cluster = resource(namespace, size, members=members)
        wanted, observed = read_wanted(cluster, IMAGES), await build_room(kube).observe(cluster)
        built = build_objects(wanted, PASSWORDS, build_shape(wanted, observed))
        await kube.apply(next(made for made in built if made["kind"] == "StatefulSet"))
    spec = server.get("statefulset", "cache", "-n", namespace)["spec"]
    assert spec["replicas"] == 5
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "1Gi"


async def test_a_class_that_cannot_grow_is_told_and_not_asked_again(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    make_class(server, "rigid", can_grow=False)
    uid = make_claim(server, namespace, CLAIM, "rigid", labels=LABELS)
    room, larger = build_room(kube), resource(namespace, "2Gi")
    with pytest.raises(HeldUp, match=r"data-cache-1 cannot grow to 2Gi: .*must support resize") as raised:
        await room.act(larger, GrowVolume(CLAIM, uid, "2Gi"))
    observed = await room.observe(larger)
    assert observed.refusals == {CLAIM: str(raised.value)}
    assert isinstance(room.decide(larger, observed), Refuse), "CredentialsLost: growth holds nothing up"
    assert asked_for(server, namespace, CLAIM) == "1Gi"


async def test_a_member_is_seen_to_have_lost_its_node_and_loses_its_claim_and_pod(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    node, volume = f"{namespace}-a", f"pv-{namespace}"
    make_node(server, node)
    make_local_volume(server, volume, node)
    claim = make_claim(server, namespace, CLAIM, "", volume, labels=LABELS)
    pod = make_pod(server, namespace, MEMBER, "", is_ready=False, labels=LABELS)
    room, cluster = build_room(kube), resource(namespace)
    observed = await room.observe(cluster)
    assert [each.is_gone for each in observed.volumes] == [False]
    assert observed.pods[0].unready_since == datetime(2026, 1, 1, 12, tzinfo=UTC)
    server.kubectl("delete", "node", node)
    assert [each.is_gone for each in (await room.observe(cluster)).volumes] == [True]
    assert [each.is_gone for each in (await build_room(kube, reads_nodes=False).observe(cluster)).volumes] == [False]
    step = ReplaceMember(MEMBER, pod, CLAIM, claim)
    await room.act(cluster, step)
    assert (await room.observe(cluster)).pods == ()
    # The API server leaves the claim to the controller that watches whether a pod still uses it.
    server.kubectl("patch", "pvc", CLAIM, "-n", namespace, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    anew = make_claim(server, namespace, CLAIM, "", labels=LABELS)
    await room.act(cluster, step)
    assert [each.uid for each in (await room.observe(cluster)).volumes] == [anew]
