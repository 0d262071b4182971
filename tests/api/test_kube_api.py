"""The operator's client against a real API server: what is applied, what is left alone, what is refused and how."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from kubernetes.aio.client import ApiClient, Configuration

from api.apiserver import ApiServer
from api.test_rules import BASE, database
from caisson_operator.effects.kube import Conflict, Forbidden, KubeApi, KubeError, ObjectRef, Unreachable
from caisson_operator.effects.kube_session import open_kube_api


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    metadata = {"name": "thing", "namespace": namespace, "labels": {"mine": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.mark.asyncio
async def test_apply_keeps_what_others_set_and_takes_back_what_was_its_own(
    server: ApiServer, namespace: str, kube: KubeApi
) -> None:
    await kube.apply(config_map(namespace, a="1", b="1"))
    server.kubectl("patch", "configmap", "thing", "-n", namespace, "-p", '{"data": {"theirs": "1"}}')
    await kube.apply(config_map(namespace, a="2"))
    assert server.get("configmap", "thing", "-n", namespace)["data"] == {"a": "2", "theirs": "1"}


@pytest.mark.asyncio
async def test_get_and_delete_answer_for_what_is_not_there(namespace: str, kube: KubeApi) -> None:
    ref = ObjectRef.of(config_map(namespace))
    assert await kube.get(ref) is None
    assert await kube.delete(ref) is False
    await kube.apply(config_map(namespace))
    assert await kube.get(ref) is not None
    assert await kube.delete(ref) is True


@pytest.mark.asyncio
async def test_list_asks_by_label_and_names_the_kind(namespace: str, kube: KubeApi) -> None:
    await kube.apply(config_map(namespace))
    (found,) = await kube.list("v1", "ConfigMap", namespace, {"mine": "yes"})
    assert (found["kind"], found["metadata"]["name"]) == ("ConfigMap", "thing")
    assert await kube.list("v1", "ConfigMap", namespace, {"mine": "no"}) == []
    assert "thing" in [item["metadata"]["name"] for item in await kube.list("v1", "ConfigMap")]


@pytest.mark.asyncio
async def test_create_once_never_touches_what_is_there(namespace: str, kube: KubeApi) -> None:
    assert await kube.create_once(config_map(namespace, a="first")) is True
    assert await kube.create_once(config_map(namespace, a="second")) is False
    found = await kube.get(ObjectRef.of(config_map(namespace)))
    assert found is not None
    assert found["data"] == {"a": "first"}


@pytest.mark.asyncio
async def test_replace_is_a_compare_and_set(namespace: str, kube: KubeApi) -> None:
    read = await kube.apply(config_map(namespace, a="1"))
    await kube.replace({**read, "data": {"a": "2"}})
    with pytest.raises(Conflict):
        await kube.replace({**read, "data": {"a": "3"}})


@pytest.mark.asyncio
async def test_status_is_applied_apart_from_the_spec(server: ApiServer, namespace: str, kube: KubeApi) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    head = database(namespace, BASE)
    del head["spec"]
    await kube.apply_status({**head, "status": {"phase": "Ready", "shardCount": 2}})
    await kube.apply_status({**head, "status": {"phase": "Expanding"}})
    found = server.get("sdb", "flights", "-n", namespace)
    assert found["status"]["phase"] == "Expanding"
    assert "shardCount" not in found["status"]
    assert found["metadata"]["generation"] == 1
    assert found["spec"]["shards"] == 2


@pytest.mark.asyncio
async def test_an_error_says_what_the_server_said(namespace: str, kube: KubeApi) -> None:
    with pytest.raises(KubeError, match="422") as refused:
        await kube.create(database(namespace, {**BASE, "membersPerShard": 1}))
    assert "need a standby" in str(refused.value)
    assert refused.value.status == 422


@pytest.mark.asyncio
async def test_no_right_and_no_answer_are_errors_of_their_own(server: ApiServer, kube: KubeApi) -> None:
    nobody = Configuration(host=kube._client.configuration.host)
    nobody.verify_ssl = False
    async with ApiClient(nobody) as client:
        with pytest.raises(Forbidden):
            await KubeApi(client).list("v1", "Secret")
    async with ApiClient(Configuration(host="https://127.0.0.1:1")) as client:
        with pytest.raises(Unreachable):
            await KubeApi(client).list("v1", "Secret")
