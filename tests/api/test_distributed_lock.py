"""DistributedLock against a real API server: its rules, and its life on a PostgreSQL beside it. There are no nodes."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from api.apiserver import ApiServer
from caisson.binding import binding_reader
from caisson.errors import StoreUnavailable
from caisson.locks.database import DatabaseStore, Server
from caisson.locks.policy import Policy
from caisson.locks.store import Claim, Grant, LockStore
from caisson_operator.distributed_lock.kind import DISTRIBUTED_LOCK
from caisson_operator.distributed_lock.room import DistributedLockRoom
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.reconcile import Key, Reconciler
from caisson_operator.telemetry.metrics import Metrics
from kubectl_caisson.__main__ import main
from postgres.clusters import Cluster, running_clusters

Manifest = dict[str, Any]
CLUSTER, SECRET, DATABASE = {"clusterRef": {"name": "c"}}, {"secretRef": {"name": "s"}}, {"databaseRef": {"name": "d"}}


def lock_space(namespace: str, backend: Manifest, name: str = "jobs", **spec: Any) -> Manifest:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "DistributedLock",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backend": backend, **spec},
    }


def of(type: str, **backend: Any) -> Manifest:
    return {"type": type, **backend}


@dataclass(frozen=True)
class Rule:
    name: str
    admitted: Manifest
    refused: Manifest
    says: str


def spec(backend: Manifest, **more: Any) -> Manifest:
    return {"backend": backend, **more}


AT_BIRTH = [
    Rule("a cluster of its own", spec(of("redis")), spec(of("database")), "type database wants one of databaseRef"),
    Rule("a database is named by one", spec(of("database", **SECRET)), spec(of("database", **SECRET, **DATABASE)),
         "type database wants one of databaseRef"),
    Rule("a database is no cluster", spec(of("database", **DATABASE)), spec(of("database", **DATABASE, **CLUSTER)),
         "type database wants one of databaseRef"),
    Rule("a Redis is a cluster", spec(of("redis", **CLUSTER)), spec(of("redis", **SECRET)), "are for type database"),
    Rule("known types alone", spec(of("redlock")), spec(of("etcd")), "supported values"),
    Rule("a lease is long enough", spec(of("redis"), lease="500ms"), spec(of("redis"), lease="400ms"), "less than 500ms"),
    Rule("a session is long enough", spec(of("zookeeper"), lease="4s"), spec(of("zookeeper"), lease="3s"), "of 4s at least"),
    Rule("a lease ends some time", spec(of("redis"), lease="1h"), spec(of("redis"), lease="61m"), "more than an hour"),
    Rule("a lease is a duration", spec(of("redis"), lease="1m30s"), spec(of("redis"), lease="10"), "should match"),
    Rule("maxHold is some time", spec(of("redis"), maxHold="1s"), spec(of("redis"), maxHold="0s"), "leave it out for no limit"),
]  # fmt: skip
BASE = spec(of("redis", **CLUSTER), lease="10s")
IN_LIFE = [
    Rule("the type is fixed", {**BASE, "lease": "20s"}, spec(of("zookeeper", **CLUSTER)), "backend is fixed"),
    Rule("the cluster is fixed", {**BASE, "fair": False}, spec(of("redis")), "backend is fixed"),
]


@pytest.mark.parametrize("rule", AT_BIRTH, ids=lambda rule: rule.name)
def test_rule_at_birth(server: ApiServer, rule: Rule) -> None:
    dry_run = ("create", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=lock_space("default", **rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=lock_space("default", **rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest.mark.parametrize("rule", IN_LIFE, ids=lambda rule: rule.name)
def test_rule_in_life(server: ApiServer, namespace: str, rule: Rule) -> None:
    server.kubectl("create", "-f", "-", stdin=lock_space(namespace, **BASE))
    dry_run = ("replace", "--dry-run=server", "-f", "-")
    server.kubectl(*dry_run, stdin=lock_space(namespace, **rule.admitted))
    refused = server.try_kubectl(*dry_run, stdin=lock_space(namespace, **rule.refused))
    assert refused.code != 0
    assert rule.says in refused.error


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_clusters(1, {"fsync": "off"}) as (cluster,):
        yield cluster


@dataclass(frozen=True)
class Stage:
    """The operator's reconciles, one at a time, and what came of them."""

    server: ApiServer
    namespace: str
    cluster: Cluster
    metrics: Metrics

    def reconcile(self, until: Callable[[Manifest], bool], name: str = "jobs") -> Manifest:
        """Again and again until the status is as wanted, as the queue does it."""
        return asyncio.run(self._reconcile(until, name))

    async def _reconcile(self, until: Callable[[Manifest], bool], name: str) -> Manifest:
        async with open_kube_api(str(self.server.kubeconfig)) as kube:
            room = DistributedLockRoom(kube)
            reconciler = Reconciler(DISTRIBUTED_LOCK, room, kube, self.metrics, "test")
            for _ in range(20):
                await reconciler.reconcile(Key("DistributedLock", self.namespace, name))
                status: Manifest = self.server.get("dlock", name, "-n", self.namespace).get("status", {})
                if until(status):
                    return status
        raise AssertionError(f"never as wanted: {status}")

    def make(self, name: str = "jobs", **changes: Any) -> None:
        uri = f"postgresql://postgres@127.0.0.1:{self.cluster.port}/app"
        self.server.kubectl("create", "secret", "generic", "any", "-n", self.namespace, f"--from-literal=uri={uri}")
        backend = {"type": "database", "secretRef": {"name": "any"}}
        self.server.kubectl("create", "-f", "-", stdin=lock_space(self.namespace, backend, name, **changes))

    def open_client(self) -> LockStore:
        """As an application does with the binding."""
        binding = self.server.get("secret", "jobs-lock", "-n", self.namespace)["data"]
        values = {key: _decode(value) for key, value in binding.items()}
        policy = Policy(values["space"], float(values["lease_seconds"]))
        return DatabaseStore(Server(binding_reader(None, None, values["uri"])), policy, is_managed=True)


def _decode(value: str) -> str:
    return base64.b64decode(value).decode()


@pytest.fixture
def stage(server: ApiServer, namespace: str, cluster: Cluster) -> Stage:
    return Stage(server, namespace, cluster, Metrics())


def is_ready(status: Manifest) -> bool:
    return reason(status, "Ready") == "Serving"


def reason(status: Manifest, kind: str) -> str:
    return next((str(each["reason"]) for each in status.get("conditions", ()) if each["type"] == kind), "")


def take(store: LockStore, name: str, owner: str) -> Grant:
    grant = store.try_acquire(Claim(name), owner)
    assert grant is not None
    return grant


def test_a_space_on_any_database_is_opened_bound_and_watched(stage: Stage) -> None:
    stage.make(lease="30s")
    stage.reconcile(is_ready)
    store = stage.open_client()
    grant = take(store, "invoice:42", "host/1")
    status = stage.reconcile(lambda status: status.get("held") == 1)
    (lock,) = status["locks"]
    assert (lock["name"], lock["owner"], lock["token"]) == ("invoice:42", "host/1", grant.token)
    assert status["epoch"] == grant.token >> 40
    place = {"lock": f"{stage.namespace}/jobs"}
    assert stage.metrics.registry.get_sample_value("caisson_lock_held", place) == 1
    assert stage.metrics.registry.get_sample_value("caisson_lock_fencing_epoch", place) == status["epoch"]
    assert stage.metrics.registry.get_sample_value("caisson_lock_wait_seconds", place) == 0
    assert stage.server.get("dlock", "jobs", "-n", stage.namespace)["status"]["binding"]["name"] == "jobs-lock"
    store.close()


def test_a_lock_is_taken_away_on_request_and_its_holder_is_fenced_off(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.make()
    stage.reconcile(is_ready)
    store = stage.open_client()
    held = take(store, "a/b", "host/1")
    stage.reconcile(lambda status: status.get("held") == 1)
    words = ["-n", stage.namespace, "--kubeconfig", str(stage.server.kubeconfig)]
    assert main(["lock", "list", "jobs", *words]) == 0
    assert "a/b" in capsys.readouterr().out
    assert main(["lock", "release", "jobs", "a/b", "--no-wait", *words]) == 0
    status = stage.reconcile(lambda status: (status.get("release") or {}).get("phase") == "Done")
    assert status["release"]["released"] == 1
    assert store.renew([held]) == [False]
    later = take(store, "a/b", "host/2")
    assert later.token > held.token
    stage.reconcile(lambda status: status.get("held") == 1)
    assert store.renew([later]) == [True]
    store.close()


def test_a_database_that_lost_its_data_grants_nothing_before_the_operator_has_raised_its_epoch(stage: Stage) -> None:
    stage.make()
    stage.reconcile(is_ready)
    store = stage.open_client()
    before = take(store, "a", "host/1")
    stage.reconcile(lambda status: status.get("held") == 1)
    with stage.cluster.connect() as connection:
        connection.execute("DROP SCHEMA caisson CASCADE")
    with pytest.raises(StoreUnavailable):
        stage.open_client().try_acquire(Claim("a"), "host/2")
    stage.reconcile(is_ready)
    assert take(stage.open_client(), "a", "host/3").token > before.token


def test_what_is_wrong_with_the_backend_stands_in_the_conditions(stage: Stage) -> None:
    make = ("create", "-n", stage.namespace, "-f", "-")
    for name, backend in (
        ("no-cluster", of("redis", **CLUSTER)),
        ("no-database", of("database", **DATABASE)),
        ("no-secret", of("database", **SECRET)),
    ):
        stage.server.kubectl(*make, stdin=lock_space(stage.namespace, backend, name))
        status = stage.reconcile(lambda status: bool(status), name)
        assert (reason(status, "Ready"), reason(status, "BackendReady")) == ("BackendNotFound", "BackendNotFound")


@pytest.mark.parametrize(
    ("type", "cluster_spec", "ready", "expected"),
    [
        ("redis", {"type": "zookeeper"}, "True", "BackendWrongType"),
        ("redlock", {"type": "redis"}, "True", "BackendWrongType"),
        ("zookeeper", {"type": "zookeeper"}, "False", "BackendNotReady"),
        ("zookeeper", {"type": "zookeeper"}, "True", "BackendNotReady"),
    ],
)
def test_a_cluster_that_does_not_fit_or_serve_is_told(
    stage: Stage, type: str, cluster_spec: Manifest, ready: str, expected: str
) -> None:
    """The last one says that it is ready, and has no binding yet."""
    head = {"apiVersion": "caisson.dev/v1alpha1", "kind": "BackingCluster", "metadata": {"name": "c"}}
    wanted = {**cluster_spec, "members": 3, "storage": {"size": "1Gi"}}
    stage.server.kubectl("create", "-n", stage.namespace, "-f", "-", stdin={**head, "spec": wanted})
    condition = {"type": "Ready", "status": ready, "reason": "NoLeader", "message": "no member takes writes"}
    told = {"status": {"conditions": [{**condition, "lastTransitionTime": "2026-11-27T12:00:00Z"}]}}
    apply = ("apply", "--server-side", "--subresource=status", "-n", stage.namespace, "-f", "-")
    stage.server.kubectl(*apply, stdin={**head, **told})
    stage.server.kubectl("create", "-f", "-", stdin=lock_space(stage.namespace, of(type, **CLUSTER)))
    status = stage.reconcile(lambda status: bool(status))
    assert reason(status, "BackendReady") == expected


def test_a_space_without_a_reference_makes_a_cluster_that_goes_with_it(stage: Stage) -> None:
    stage.server.kubectl("create", "-f", "-", stdin=lock_space(stage.namespace, of("zookeeper")))
    stage.reconcile(lambda status: reason(status, "BackendReady") == "BackendNotReady")
    made = stage.server.get("backing", "jobs-lock", "-n", stage.namespace)
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], made["spec"]["type"]) == ("DistributedLock", "jobs", "zookeeper")
