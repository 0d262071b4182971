"""What the operator does to single members, on a real API server: evictions, growing claims, nodes and volumes that have gone.

There are no nodes and no controllers, so what those would do is written by hand.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from api.apiserver import ApiServer
from api.members import asked_for, make_claim, make_class, make_local_volume, make_node, make_pod
from caisson_operator.api.resource import ShardedDatabase, load_sharded_database
from caisson_operator.core.decisions import HeldUp
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import GrowVolume
from caisson_operator.effects.kube import KubeApi, ObjectRef
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.manifests import build_shard_objects
from caisson_operator.sharded_database.manifests.inputs import DatabaseIdentity, ShardManifestInput
from caisson_operator.sharded_database.observe import observe_objects
from caisson_operator.sharded_database.observed import Objects
from caisson_operator.sharded_database.room import ShardedDatabaseRoom
from caisson_operator.sharded_database.wanted import Engine, read_wanted

pytestmark = pytest.mark.asyncio

ENGINE = Engine("image")


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


def resource(namespace: str, size: str = "1Gi") -> ShardedDatabase:
    metadata = {"name": "flights", "namespace": namespace, "uid": "0"}
    return load_sharded_database({"metadata": metadata, "spec": {"storage": {"size": size}}})


def build_room(kube: KubeApi) -> ShardedDatabaseRoom:
    return ShardedDatabaseRoom(kube, 1, ENGINE, lambda *_: None)


async def look(kube: KubeApi, namespace: str, reads_nodes: bool = True) -> Objects:
    return await observe_objects(kube, read_wanted(resource(namespace), ENGINE), reads_nodes)


async def test_a_claim_is_raised_once_and_again_without_harm(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    make_class(server, "elastic", can_grow=True)
    uid = make_claim(server, namespace, "data-flights-s0-0", "elastic")
    for _ in range(2):
        await build_room(kube).act(resource(namespace), GrowVolume("data-flights-s0-0", uid, "2Gi"))
    assert asked_for(server, namespace, "data-flights-s0-0") == "2Gi"
    (volume,) = (await look(kube, namespace)).volumes
    assert (volume.requested_bytes, volume.capacity_bytes, volume.member) == (2 * 1024**3, 1024**3, "flights-s0-0")


async def test_a_class_that_cannot_grow_is_told_in_the_servers_words(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    make_class(server, "rigid", can_grow=False)
    uid = make_claim(server, namespace, "data-flights-s0-0", "rigid")
    room, larger = build_room(kube), resource(namespace, "2Gi")
    with pytest.raises(HeldUp, match=r"data-flights-s0-0 cannot grow to 2Gi: .*must support resize") as raised:
        await room.act(larger, GrowVolume("data-flights-s0-0", uid, "2Gi"))
    assert (await room.observe(larger)).refusals == {"data-flights-s0-0": str(raised.value)}
    assert (await room.observe(resource(namespace, "3Gi"))).refusals == {}, "another size is another question"
    assert asked_for(server, namespace, "data-flights-s0-0") == "1Gi"


async def test_a_budget_that_admits_no_disruption_holds_an_eviction_up(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    """Without a controller no budget admits any: just what a primary's says at all times."""
    uid = make_pod(server, namespace, "flights-s0-0", "primary")
    identity = DatabaseIdentity("flights", namespace, "0")
    for manifest in build_shard_objects(ShardManifestInput(identity, "s0", 2, "image", "1Gi")):
        if manifest["kind"] == "PodDisruptionBudget":
            await kube.apply(manifest)
    with pytest.raises(HeldUp) as raised:
        await build_room(kube).act(resource(namespace), steps.Evict("s0", "flights-s0-0", uid))
    assert raised.value.reason == "EvictionRefused"
    assert (await look(kube, namespace)).pods[0].uid == uid


async def test_only_the_very_pod_that_was_meant_is_evicted(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    uid = make_pod(server, namespace, "flights-s0-1", "replica")
    room = build_room(kube)
    await room.act(resource(namespace), steps.Evict("s0", "flights-s0-1", "of-an-earlier-one"))
    assert len((await look(kube, namespace)).pods) == 1
    for _ in range(2):
        await room.act(resource(namespace), steps.Evict("s0", "flights-s0-1", uid))
    assert (await look(kube, namespace)).pods == ()


async def test_a_replaced_member_loses_its_claim_and_its_pod_and_a_new_claim_stays(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    make_class(server, "rigid", can_grow=False)
    pod = make_pod(server, namespace, "flights-s0-1", "")
    claim = make_claim(server, namespace, "data-flights-s0-1", "rigid", phase="Lost")
    step = ReplaceMember("flights-s0-1", pod, "data-flights-s0-1", claim)
    (volume,) = (await look(kube, namespace)).volumes
    assert (volume.is_gone, volume.uid) == (True, claim)
    await build_room(kube).act(resource(namespace), step)
    # The API server leaves the claim to the controller that watches whether a pod still uses it.
    server.kubectl(
        "patch", "pvc", "data-flights-s0-1", "-n", namespace, "--type=merge", "-p", '{"metadata": {"finalizers": null}}'
    )
    assert (await look(kube, namespace)).volumes == ()
    anew = make_claim(server, namespace, "data-flights-s0-1", "rigid")
    await build_room(kube).act(resource(namespace), step)
    assert [volume.uid for volume in (await look(kube, namespace)).volumes] == [anew]


async def test_cordoned_nodes_are_seen_where_members_are(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    make_node(server, f"{namespace}-a", unschedulable=True)
    make_node(server, f"{namespace}-b", unschedulable=True)
    make_pod(server, namespace, "flights-s0-0", "primary", f"{namespace}-a")
    objects = await look(kube, namespace)
    assert objects.cordoned == {f"{namespace}-a"}
    assert (objects.pods[0].node, objects.pods[0].template) == (f"{namespace}-a", "abc")
    assert (await look(kube, namespace, reads_nodes=False)).cordoned == frozenset()


async def test_a_volume_goes_with_its_node_where_it_is_local(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    node, volume = f"{namespace}-a", f"pv-{namespace}"
    make_node(server, node)
    make_local_volume(server, volume, node)
    make_claim(server, namespace, "data-flights-s0-1", "", volume)
    make_pod(server, namespace, "flights-s0-1", "", is_ready=False)
    objects = await look(kube, namespace)
    assert [each.is_gone for each in objects.volumes] == [False]
    assert objects.pods[0].unready_since == datetime(2026, 1, 1, 12, tzinfo=UTC)
    server.kubectl("delete", "node", node)
    assert [each.is_gone for each in (await look(kube, namespace)).volumes] == [True]
    assert [each.is_gone for each in (await look(kube, namespace, reads_nodes=False)).volumes] == [False]


async def test_a_pod_that_nobody_knows_any_more_counts_as_evicted(namespace: str, kube: KubeApi) -> None:
    assert await kube.evict(ObjectRef("v1", "Pod", namespace, "flights-s0-9"), "any")
