"""IdAllocator on a real API server: what it admits, and what the room makes of it beside stores that are there, or not."""

import base64
import copy
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.apiserver import ApiServer
from api.test_rules import Rule, database
from api.test_rules import changed as database_spec
from caisson_operator.core.images import Images
from caisson_operator.effects.kube import KubeApi
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.effects.room_context import RoomContext
from caisson_operator.id_allocator.kind import ID_ALLOCATOR
from caisson_operator.reconcile import Key, Reconciler
from caisson_operator.telemetry.metrics import Metrics

Manifest = dict[str, Any]
IMAGES = Images(postgres="postgres:1", redis="redis:1", zookeeper="zookeeper:1", ids="ids:1")
KEYS = ("orders-id-server-ca", "orders-id-server-tls")
BASE: Manifest = {"mode": "snowflake", "backend": {"type": "database", "databaseRef": {"name": "flights"}}}


def allocator(spec: Manifest, name: str = "orders") -> Manifest:
    return {"apiVersion": "caisson.dev/v1alpha1", "kind": "IdAllocator", "metadata": {"name": name}, "spec": spec}


def changed(**changes: Any) -> Manifest:
    return {**copy.deepcopy(BASE), **changes}


def cluster(kind: str, name: str = "store", **more: Any) -> Manifest:
    spec = {"type": kind, "members": 3, "storage": {"size": "1Gi"}, **more}
    return {"apiVersion": "caisson.dev/v1alpha1", "kind": "BackingCluster", "metadata": {"name": name}, "spec": spec}


def on(kind: str, **reference: str) -> Manifest:
    return {"type": kind, **{f"{key}Ref": {"name": name} for key, name in reference.items()}}


AT_BIRTH = [
    Rule("bits fill 63", changed(snowflake={"timestampBits": 41, "workerBits": 12, "sequenceBits": 10}),
         changed(snowflake={"workerBits": 22}), "leave no such sequence"),
    Rule("a sequence has bits", changed(snowflake={"workerBits": 21, "sequenceBits": 1}),
         changed(snowflake={"workerBits": 22, "sequenceBits": 0}), "these worker bits leave no sequence"),
    Rule("rollback within the reserve", changed(snowflake={"maxRollback": "2s"}),
         changed(snowflake={"maxRollback": "10s"}), "maxRollback has to be less than reserve"),
    Rule("a reserve that can be renewed", changed(snowflake={"reserve": "2s"}),
         changed(snowflake={"reserve": "1500ms"}), "reserve has to be from 2s to 1h"),
    Rule("an epoch is a moment", changed(snowflake={"epoch": "2020-01-01T00:00:00Z"}),
         changed(snowflake={"epoch": "2020"}), "should match"),
    Rule("snowflake is not kept in redis", changed(backend=on("zookeeper")), changed(backend=on("redis")),
         "type database or zookeeper"),
    Rule("segments need a database", changed(mode="segment"), changed(mode="segment", backend=on("zookeeper")),
         "mode segment takes its ranges from a backend of type database"),
    Rule("redis needs redis", changed(mode="redis", backend=on("redis")), changed(mode="redis"),
         "mode redis counts in a backend of type redis"),
    Rule("uuid7 needs nothing", {"mode": "uuid7"}, changed(mode="uuid7"), "mode uuid7 needs no backend"),
    Rule("others need something", changed(), {"mode": "segment"}, "every other mode needs one"),
    Rule("a database is named", changed(backend=on("database", secret="pg")), changed(backend=on("database")),
         "needs a databaseRef"),
    Rule("one database", changed(), changed(backend=on("database", database="a", secret="b")), "not both"),
    Rule("a cluster is no database", changed(backend=on("zookeeper", cluster="zk")),
         changed(backend=on("database", cluster="zk")), "clusterRef is for types redis and zookeeper"),
    Rule("servers up to 64", changed(server={"replicas": 64}), changed(server={"replicas": 65}), "less than or equal"),
]  # fmt: skip

IN_LIFE = [
    Rule("mode stays", changed(server={"replicas": 2}), changed(mode="segment"), "mode is fixed once the allocator is made"),
    Rule("the store stays", changed(), changed(backend=on("database", database="other")), "backend is fixed"),
    Rule("having a store stays", changed(), {"mode": "uuid7"}, "backend is fixed"),
    Rule("the layout stays", changed(snowflake={"reserve": "30s"}), changed(snowflake={"workerBits": 9}),
         "the layout is fixed"),
    Rule("the epoch stays", changed(), changed(snowflake={"epoch": "2020-01-01T00:00:00Z"}), "the layout is fixed"),
]  # fmt: skip


@pytest.mark.parametrize("rule", AT_BIRTH, ids=lambda rule: rule.name)
def test_rule_at_birth(server: ApiServer, rule: Rule) -> None:
    dry_run = ("create", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=allocator(rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=allocator(rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest.fixture(scope="module")
def made(server: ApiServer) -> str:
    server.kubectl("create", "namespace", "id-rules")
    server.kubectl("create", "-n", "id-rules", "-f", "-", stdin=allocator(BASE))
    return "id-rules"


@pytest.mark.parametrize("rule", IN_LIFE, ids=lambda rule: rule.name)
def test_rule_in_life(server: ApiServer, made: str, rule: Rule) -> None:
    dry_run = ("replace", "--dry-run=server", "-n", made, "-f", "-")
    server.kubectl(*dry_run, stdin=allocator(rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=allocator(rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest_asyncio.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(server.kubeconfig)) as opened:
        yield opened


class Stage:
    """One namespace in which an allocator `orders` is looked after by hand."""

    def __init__(self, server: ApiServer, namespace: str, kube: KubeApi) -> None:
        self.server, self.namespace = server, namespace
        metrics = Metrics()
        context = RoomContext(kube, 1, IMAGES, metrics)
        self._reconciler = Reconciler(ID_ALLOCATOR, ID_ALLOCATOR.build_room(context), kube, metrics, "test")

    def create(self, manifest: Manifest) -> None:
        self.server.kubectl("create", "-n", self.namespace, "-f", "-", stdin=manifest)

    def serve(self, kind: str, name: str, entries: dict[str, str]) -> None:
        """The store's own room has made its binding, and says that it serves."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}
        self.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{name}-binding"}, "data": data})
        self.tell(kind, name, "True", "Serving", "it serves", binding={"name": f"{name}-binding"})

    def tell(self, kind: str, name: str, ready: str, reason: str, message: str, **more: Any) -> None:
        condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
        patch = json.dumps({"status": {"conditions": [condition], **more}})
        options = ("--subresource=status", "--type=merge", "-p", patch)
        self.server.kubectl("patch", kind, name, "-n", self.namespace, *options)

    async def look(self, times: int = 4) -> dict[str, Any]:
        """The status after a few looks."""
        for _ in range(times):
            await self._reconciler.reconcile(Key("IdAllocator", self.namespace, "orders"))
        status: dict[str, Any] = self.server.get("idalloc", "orders", "-n", self.namespace)["status"]
        return status

    def binding(self, status: dict[str, Any]) -> dict[str, str]:
        return self.secret(status["binding"]["name"])

    def secret(self, name: str) -> dict[str, str]:
        secret = self.server.get("secret", name, "-n", self.namespace)
        return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


@pytest.fixture
def stage(server: ApiServer, namespace: str, kube: KubeApi) -> Stage:
    return Stage(server, namespace, kube)


def condition(status: dict[str, Any], kind: str) -> tuple[str, str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == kind]
    return found["status"], found["reason"], found["message"]


@pytest.mark.asyncio
async def test_a_binding_says_how_to_allocate_and_where(stage: Stage) -> None:
    stage.create(database(stage.namespace, database_spec()))
    entries = {"type": "postgresql", "host": "flights-s0", "password": "p", "shards": "[]", "ca.crt": "PEM"}
    stage.serve("sdb", "flights", entries)
    stage.create(allocator(changed(snowflake={"workerBits": 8, "sequenceBits": 14, "reserve": "30s"})))
    status = await stage.look()
    assert condition(status, "Ready")[:2] == ("True", "Serving")
    assert status["phase"] == "Ready"
    assert "server" not in status
    assert stage.binding(status) == {
        "type": "caisson-ids", "provider": "caisson", "backend": "database", "host": "flights-s0", "password": "p",
        "ca.crt": "PEM", "mode": "snowflake", "space": f"{stage.namespace}/orders", "layout": "41+8+14",
        "epoch": "2026-01-01T00:00:00Z", "max_rollback_seconds": "1", "reserve_seconds": "30",
    }  # fmt: skip


@pytest.mark.asyncio
async def test_says_which_store_is_not_there_or_does_not_serve(stage: Stage) -> None:
    stage.create(allocator(changed(backend=on("zookeeper", cluster="store"))))
    status = await stage.look()
    assert condition(status, "BackendReady")[:2] == ("False", "BackendNotFound")
    stage.create(cluster("zookeeper"))
    stage.tell("backing", "store", "False", "NoLeader", "no member takes writes")
    status = await stage.look()
    assert condition(status, "Ready") == ("False", "BackendNotReady", "BackingCluster store: no member takes writes")
    stage.serve("backing", "store", {"type": "zookeeper", "hosts": "a:2181"})
    assert condition(await stage.look(), "Ready")[0] == "True"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("store", "mode", "kind", "says"),
    [
        (cluster("redis"), "snowflake", "zookeeper", "is of type redis, and backend.type zookeeper needs zookeeper"),
        (cluster("redis", topology="independent"), "redis", "redis", "has topology independent"),
    ],
)
async def test_refuses_a_store_of_the_wrong_type(
    stage: Stage, store: Manifest, mode: str, kind: str, says: str
) -> None:
    stage.create(store)
    stage.serve("backing", "store", {"type": "redis"})
    stage.create(allocator({"mode": mode, "backend": on(kind, cluster="store")}))
    status = await stage.look()
    assert condition(status, "BackendReady")[1] == "BackendWrongType"
    assert says in condition(status, "Ready")[2]
    assert status["phase"] == "Refused"
    assert "binding" not in status


@pytest.mark.asyncio
async def test_who_names_no_cluster_gets_one_of_its_own(stage: Stage) -> None:
    stage.create(allocator({"mode": "redis", "backend": on("redis"), "deletionPolicy": "Delete"}))
    status = await stage.look()
    own = stage.server.get("backing", "orders-idstore", "-n", stage.namespace)
    assert own["metadata"]["ownerReferences"][0]["kind"] == "IdAllocator"
    assert (own["spec"]["type"], own["spec"]["deletionPolicy"]) == ("redis", "Delete")
    assert condition(status, "BackendReady")[1] == "BackendNotReady"
    stage.serve("backing", "orders-idstore", {"type": "redis", "host": "orders-idstore"})
    assert stage.binding(await stage.look())["host"] == "orders-idstore"


@pytest.mark.asyncio
async def test_does_not_take_a_cluster_for_its_own_that_is_anothers(stage: Stage) -> None:
    stage.create(cluster("redis", "orders-idstore"))
    stage.serve("backing", "orders-idstore", {"type": "redis"})
    stage.create(allocator({"mode": "redis", "backend": on("redis")}))
    assert condition(await stage.look(), "Ready")[1] == "NameTaken"


@pytest.mark.asyncio
async def test_servers_are_made_scaled_and_made_anew_when_their_settings_change(stage: Stage) -> None:
    data = {"uri": base64.b64encode(b"postgresql://u:p@h:5432/d").decode()}
    stage.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pg"}, "data": data})
    stage.create(allocator({"mode": "segment", "backend": on("database", secret="pg"), "server": {"replicas": 2}}))
    status = await stage.look()
    assert condition(status, "Ready")[1] == "NoServerReady"
    assert status["server"]["url"] == f"https://orders-id-server.{stage.namespace}.svc:8443"
    shown = stage.secret("orders-id-server-binding")
    assert len(shown["token"]) >= 40
    told = stage.binding(status)
    assert (told["server_token"], told["server_url"]) == (shown["token"], shown["uri"])
    assert told["server_ca.crt"] == shown["ca.crt"] == stage.secret("orders-id-server-ca")["tls.crt"]
    before = stage.server.get("deployment", "orders-id-server", "-n", stage.namespace)
    assert before["spec"]["replicas"] == 2
    patch = '{"spec": {"server": {"replicas": 0}, "segment": {"step": 5000}}}'
    stage.server.kubectl("patch", "idalloc", "orders", "-n", stage.namespace, "--type=merge", "-p", patch)
    await stage.look()
    after = stage.server.get("deployment", "orders-id-server", "-n", stage.namespace)
    assert after["spec"]["replicas"] == 0
    assert after["spec"]["template"]["metadata"] != before["spec"]["template"]["metadata"]


@pytest.mark.asyncio
async def test_the_servers_token_stays_until_somebody_takes_it_away(stage: Stage) -> None:
    stage.create(allocator({"mode": "uuid7", "server": {"replicas": 1}}))
    first = stage.binding(await stage.look())["server_token"]
    assert stage.binding(await stage.look())["server_token"] == first
    stage.server.kubectl("delete", "secret", "orders-id-server-binding", "-n", stage.namespace)
    second = stage.binding(await stage.look())["server_token"]
    assert stage.secret("orders-id-server-binding")["token"] == second != first


@pytest.mark.asyncio
async def test_servers_show_a_certificate_of_the_allocators_own_authority(stage: Stage) -> None:
    stage.create(allocator({"mode": "uuid7", "server": {"replicas": 1}}))
    status = await stage.look()
    issuer, shown = (x509.load_pem_x509_certificate(stage.secret(name)["tls.crt"].encode()) for name in KEYS)
    shown.verify_directly_issued_by(issuer)
    assert datetime.fromisoformat(status["server"]["certificateEnds"]) == shown.not_valid_after_utc
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert f"orders-id-server.{stage.namespace}.svc" in names.get_values_for_type(x509.DNSName)
    await stage.look()
    assert stage.secret(KEYS[1])["tls.crt"].encode() == shown.public_bytes(Encoding.PEM), "issued again for no reason"


@pytest.mark.asyncio
async def test_another_authority_is_followed_by_certificate_and_bindings_and_the_token_stays(stage: Stage) -> None:
    stage.create(allocator({"mode": "uuid7", "server": {"replicas": 1}}))
    await stage.look()
    before = stage.secret("orders-id-server-binding")
    stage.server.kubectl("delete", "secret", KEYS[0], "-n", stage.namespace)
    told = stage.binding(await stage.look())
    issuer, shown = (x509.load_pem_x509_certificate(stage.secret(name)["tls.crt"].encode()) for name in KEYS)
    shown.verify_directly_issued_by(issuer)
    after = stage.secret("orders-id-server-binding")
    assert after["ca.crt"] == told["server_ca.crt"] == stage.secret(KEYS[0])["tls.crt"] != before["ca.crt"]
    assert after["token"] == before["token"]


@pytest.mark.asyncio
async def test_a_strangers_authority_is_not_shown_to_clients(stage: Stage) -> None:
    data = {key: base64.b64encode(b"known to others").decode() for key in ("tls.crt", "tls.key")}
    metadata = {"name": KEYS[0]}
    stage.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}
    )
    stage.create(allocator({"mode": "uuid7", "server": {"replicas": 1}}))
    status = await stage.look()
    assert condition(status, "Ready")[:2] == ("False", "AuthorityUnusable")
    assert stage.server.get("secret", KEYS[0], "-n", stage.namespace)["data"] == data
    stage.server.kubectl("delete", "secret", KEYS[0], "-n", stage.namespace)
    assert "known to others" not in stage.binding(await stage.look())["server_ca.crt"]


@pytest.mark.asyncio
async def test_a_strangers_secret_is_not_taken_for_the_token(stage: Stage) -> None:
    name, data = "orders-id-server-binding", {"token": base64.b64encode(b"known to others").decode()}
    stage.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
    stage.create(allocator({"mode": "uuid7", "server": {"replicas": 1}}))
    status = await stage.look()
    assert condition(status, "Ready")[:2] == ("False", "TokenUnusable")
    assert "binding" not in status
    assert stage.server.get("secret", name, "-n", stage.namespace)["data"] == data
    stage.server.kubectl("delete", "secret", name, "-n", stage.namespace)
    assert stage.binding(await stage.look())["server_token"] != "known to others"


@pytest.mark.asyncio
async def test_uuids_need_no_store(stage: Stage) -> None:
    stage.create(allocator({"mode": "uuid7"}))
    status = await stage.look()
    assert condition(status, "BackendReady")[:2] == ("True", "NotNeeded")
    assert stage.binding(status)["backend"] == "none"
