"""What goes with a ShardedDatabase and what outlives it, as the objects say that the operator leaves on a real API server.

Nothing collects them here: that a claim goes with its StatefulSet, and that with the resource, is Kubernetes' own to do.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from api.apiserver import ApiServer
from api.test_rules import changed, database
from caisson_operator.core.images import Images
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.reconcile import Key, Reconciler
from caisson_operator.sharded_database.kind import SHARDED_DATABASE
from caisson_operator.telemetry.metrics import Metrics

pytestmark = pytest.mark.asyncio

IMAGES = Images(postgres="postgres:1", redis="redis:1", zookeeper="zookeeper:1", ids="ids:1")
LOOKS = 4
BESIDE_VOLUMES = ("flights-credentials", "flights-ca")


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


async def look_after(kube: KubeApi, namespace: str) -> None:
    """As often as it takes to apply all; then the operator waits for members, of which none ever comes."""
    metrics = Metrics()
    room = SHARDED_DATABASE.build_room(RoomContext(kube, 1, IMAGES, metrics))
    reconciler = Reconciler(SHARDED_DATABASE, room, kube, metrics, "test")
    for _ in range(LOOKS):
        await reconciler.reconcile(Key("ShardedDatabase", namespace, "flights"))


def owners(found: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in found["metadata"].get("ownerReferences", ())]


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_volumes_and_what_opens_them_stay_or_go_as_the_resource_says(
    server: ApiServer, namespace: str, kube: KubeApi, policy: str
) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, changed(shards=2, deletionPolicy=policy)))
    await look_after(kube, namespace)
    (uid,) = {server.get("sdb", "flights", "-n", namespace)["metadata"]["uid"]}
    sets = server.get("statefulsets", "-n", namespace)["items"]
    assert {each["metadata"]["name"] for each in sets} == {"flights-s0", "flights-s1"}
    assert [owners(each) for each in sets] == [[uid]] * 2, "the StatefulSets always go with the resource"
    retention = {"whenDeleted": policy, "whenScaled": "Retain"}
    assert [each["spec"]["persistentVolumeClaimRetentionPolicy"] for each in sets] == [retention] * 2
    beside = [server.get("secret", name, "-n", namespace) for name in BESIDE_VOLUMES]
    assert [owners(each) for each in beside] == [[uid] if policy == "Delete" else []] * 2


async def test_a_policy_that_changes_reaches_what_is_there(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    for policy in ("Delete", "Retain", "Delete"):
        server.kubectl("apply", "-f", "-", stdin=database(namespace, changed(shards=1, deletionPolicy=policy)))
        await look_after(kube, namespace)
        (found,) = server.get("statefulsets", "-n", namespace)["items"]
        assert found["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy
        credentials = server.get("secret", "flights-credentials", "-n", namespace)
        assert bool(owners(credentials)) == (policy == "Delete")
