"""What a shard's own account may do: all that Patroni, its start and the agent of early expiry must, and nothing to anybody else's objects.

Each refusal stands beside the same request of an account that may: the one that all shards of a namespace shared once.
"""

import base64
import itertools
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import urllib3
import yaml

import member
from api.apiserver import REPOSITORY, ApiServer
from api.members import make_pod
from api.test_operator import install
from caisson_operator.core.content import content_of, identity_of
from caisson_operator.effects.kube import Forbidden, KubeApi
from caisson_operator.effects.kube_session import open_kube_api
from caisson_operator.sharded_database.manifests import DatabaseIdentity, ShardManifestInput, build_shard_objects
from caisson_operator.sharded_database.observe import observe_objects
from caisson_operator.sharded_database.provisioning import build_objects
from early_expiry.decide import ExpireLeader, HideMember, TouchSync
from early_expiry.effects import Hands
from early_expiry.kube import Kube, Refused
from early_expiry.observe import Eyes
from fakes.observations import build_wanted

SHARED = "caisson-engine"
MUST = [
    *itertools.product(("create", "list", "watch"), ("endpoints",)),
    *itertools.product(("get", "patch"), [f"endpoints/flights-s0{of}" for of in ("", "-config", "-sync", "-failover")]),
    *itertools.product(("list", "watch"), ("pods",)),
    *itertools.product(("patch",), ("pods/flights-s0-0", "pods/flights-s0-1")),
]
SHARED_COULD = [
    *itertools.product(("patch", "update"), [f"endpoints/flights-s1{of}" for of in ("", "-config", "-sync")]),
    *itertools.product(("patch", "update"), ("endpoints/shop", "endpoints")),
    *itertools.product(("patch",), ("pods/flights-s0-2", "pods/flights-s1-0", "pods/flights-s0-00", "pods/shop-0", "pods")),
]  # fmt: skip
NOBODY_COULD = [
    *itertools.product(("delete", "deletecollection"), ("endpoints",)),
    *itertools.product(("update", "delete"), ("pods/flights-s0-0",)),
    *itertools.product(("create",), ("pods", "services", "roles.rbac.authorization.k8s.io", "secrets")),
    *itertools.product(("patch",), ("services/flights-s0", "services/shop", "statefulsets.apps/flights-s0")),
    *itertools.product(("patch", "update"), ("roles.rbac.authorization.k8s.io/flights-s0", "serviceaccounts/flights-s0")),
    *itertools.product(("get", "list"), ("secrets", "configmaps")),
    *itertools.product(("get",), ("secrets/flights-credentials", "secrets/flights-s0-tls", "sdb/flights")),
]  # fmt: skip


class Namespace:
    """Two shards, made with the operator's rights and no more, beside an application's Service and pod."""

    def __init__(self, server: ApiServer, name: str, folder: Path) -> None:
        self.server, self.name, self.folder = server, name, folder

    def write_kubeconfig(self, account: str) -> Path:
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        token = self.server.kubectl("create", "token", account, "-n", self.name).strip()
        config["users"][0]["user"] = {"token": token}
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def refusals(self, account: str, wishes: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [wish for wish in wishes if not self.server.can(f"{self.name}:{account}", *wish, "-n", self.name)]

    def read_cluster(self, account: str) -> tuple[str, str, Path]:
        """Address, token and the authority's certificate."""
        config = yaml.safe_load(self.write_kubeconfig(account).read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = self.folder / "ca.crt"
        authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return cluster["server"], config["users"][0]["user"]["token"], authority

    def open_kube(self, account: str) -> Kube:
        address, token, authority = self.read_cluster(account)
        token_file = self.folder / f"{account}.token"
        token_file.write_text(token)
        pool = urllib3.PoolManager(ca_certs=str(authority))
        return Kube(pool, f"{address}/api/v1/namespaces/{self.name}", token_file, seconds=30)

    def annotations(self, endpoints: str) -> dict[str, str]:
        found: dict[str, Any] = self.server.get("endpoints", endpoints, "-n", self.name)
        return found["metadata"].get("annotations") or {}


@pytest.fixture
def shards(server: ApiServer, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> Namespace:
    """With settings of the chart as a test may have them."""
    install(server, namespace, *getattr(request, "param", ()))
    operator = f"system:serviceaccount:{namespace}:caisson-operator"
    apply = ("apply", "--server-side", "--field-manager=caisson", "-f", "-", "--as", operator)
    for shard in ("s0", "s1"):
        database = DatabaseIdentity("flights", namespace, "0")
        for manifest in build_shard_objects(ShardManifestInput(database, shard, 2, "image", "1Gi")):
            server.kubectl(*apply, stdin=manifest)
    return Namespace(server, namespace, tmp_path)


@pytest.fixture
def shared(server: ApiServer, shards: Namespace) -> Namespace:
    """With the account that an earlier release had all shards share: bound in the namespace, whoever has bound it there."""
    install(server, shards.name, "engines.postgres.keepSharedAccount=true")
    return shards


@pytest.mark.parametrize("shards", [(), ("clusterWide=true",)], ids=str, indirect=True)
def test_an_account_may_do_what_its_shard_must_and_no_more(shards: Namespace) -> None:
    assert shards.refusals("flights-s0", MUST) == []
    for wishes in (SHARED_COULD, NOBODY_COULD):
        assert shards.refusals("flights-s0", wishes) == wishes
    theirs = [(verb, of) for verb, of in MUST if "/" in of]
    assert shards.refusals("flights-s1", theirs) == theirs, "another shard's"
    elsewhere = [wish for wish in MUST if not shards.server.can(f"{shards.name}:flights-s0", *wish, "-n", "default")]
    assert elsewhere == MUST


def test_the_account_that_they_shared_could_do_it_to_everybody(shared: Namespace) -> None:
    """The control; and what pods of an earlier release go on with until they are restarted."""
    assert shared.refusals(SHARED, MUST) == []
    assert shared.refusals(SHARED, SHARED_COULD) == []
    assert shared.refusals(SHARED, NOBODY_COULD) == NOBODY_COULD


ELSEWHERE = {"subsets": [{"addresses": [{"ip": "6.6.6.6"}], "ports": [{"name": "postgresql", "port": 5432}]}]}


def test_who_stole_a_members_token_leads_no_service_elsewhere_and_changes_no_other_pod(shared: Namespace) -> None:
    server, namespace = shared.server, shared.name
    for name in ("shop", "flights-s1"):
        manifest = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": namespace}}
        server.kubectl("create", "-f", "-", stdin=manifest)
    make_pod(server, namespace, "flights-s1-0", "primary")
    image = {"spec": {"containers": [{"name": "postgresql", "image": "stolen"}]}}
    tries = [("endpoints/shop", ELSEWHERE), ("endpoints/flights-s1", ELSEWHERE), ("pod/flights-s1-0", image)]
    for what, change in tries:
        patch = ("patch", what, "-n", namespace, "--type=strategic", "-p", yaml.safe_dump(change))
        refused = server.try_kubectl(*patch, "--as", f"system:serviceaccount:{namespace}:flights-s0")
        assert refused.code != 0
        assert "is forbidden" in refused.error
        server.kubectl(*patch, "--dry-run=server", "--as", f"system:serviceaccount:{namespace}:{SHARED}")


def run_patroni(shards: Namespace, account: str, scope: str) -> dict[str, bool]:
    """What a member of `scope` gets done with this account's token."""
    command = [
        sys.executable,
        "-m",
        "api.patroni_in_kubernetes",
        str(shards.write_kubeconfig(account)),
        shards.name,
        scope,
    ]
    folders = ("tests", "workloads/postgres")
    environment = {**os.environ, "PYTHONPATH": ":".join(str(REPOSITORY / folder) for folder in folders)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=120)
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def test_patroni_gets_all_done_that_it_must_for_its_own_shard_and_nothing_for_another(shards: Namespace) -> None:
    make_pod(shards.server, shards.name, "flights-s0-0", "")
    own = run_patroni(shards, "flights-s0", "flights-s0")
    assert [deed for deed, is_done in own.items() if not is_done] == []
    assert "leader" not in shards.annotations("flights-s0"), "left: anybody may have it"
    others = run_patroni(shards, "flights-s1", "flights-s0")
    assert [deed for deed, is_done in others.items() if is_done] == ["look"]
    assert "leader" not in shards.annotations("flights-s0")
    assert shards.annotations("flights-s0-sync")["leader"] == "flights-s0-0"


@pytest.mark.asyncio
async def test_the_agent_ends_a_lead_of_its_own_shard_alone(shards: Namespace) -> None:
    make_records(shards)
    own, others = (shards.open_kube(account) for account in ("flights-s0", "flights-s1"))
    eyes = Eyes(own, "flights-s0", own_address="127.0.0.1", members=urllib3.PoolManager())
    leader, sync = await eyes.read_leader(), await eyes.read_sync()
    await eyes.read_timings()
    steps = (TouchSync(sync.version), HideMember("flights-s0-0"), ExpireLeader(leader.version))
    for step in steps:
        with pytest.raises(Refused) as refused:
            await Hands(others, "flights-s0", "flights-s1-1").apply_step(step)
        assert refused.value.code == 403
    await Hands(own, "flights-s0", "flights-s0-1").apply(steps)
    assert "leader" not in shards.annotations("flights-s0")


def test_a_member_that_starts_leaves_the_lead_that_it_died_with(shards: Namespace) -> None:
    make_records(shards)
    address, token, authority = shards.read_cluster("flights-s0")
    tls = ssl.create_default_context(cafile=str(authority))
    api = member.Api(f"{address}/api/v1/namespaces/{shards.name}/endpoints", token, tls)
    assert member.leave_lead(api, "flights-s0", "flights-s0-0")
    assert "leader" not in shards.annotations("flights-s0")


def make_records(shards: Namespace) -> None:
    make_pod(shards.server, shards.name, "flights-s0-0", "primary")
    leads = {"leader": "flights-s0-0"}
    for name, told in (
        ("", leads),
        ("-sync", {**leads, "sync_standby": "flights-s0-1"}),
        ("-config", {"config": "{}"}),
    ):
        metadata = {"name": f"flights-s0{name}", "namespace": shards.name, "annotations": told}
        manifest = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
        shards.server.kubectl("create", "-f", "-", stdin=manifest)


@pytest_asyncio.fixture
async def operator(shards: Namespace) -> AsyncIterator[KubeApi]:
    async with open_kube_api(str(shards.write_kubeconfig("caisson-operator"))) as opened:
        yield opened


@pytest.mark.parametrize("shards", [(), ("clusterWide=true",)], ids=str, indirect=True)
@pytest.mark.asyncio
async def test_the_operator_finds_what_it_has_applied_and_raises_a_role_with_its_members(
    shards: Namespace, operator: KubeApi
) -> None:
    for members in (2, 3):
        wanted = build_wanted(2, namespace=shards.name, membersPerShard=members)
        before = await observe_objects(operator, wanted)
        made = [m for m in build_objects(wanted, before, before.login) if m["kind"] not in ("Secret", "Service")]
        for manifest in made:
            await operator.apply(manifest)
        found = await observe_objects(operator, wanted)
        assert {identity_of(m): content_of(m) for m in made}.items() <= found.contents.items()
    assert shards.refusals("flights-s0", [("patch", "pods/flights-s0-2")]) == []
    assert shards.refusals("flights-s0", [("patch", "pods/flights-s0-3")]) != []


@pytest.mark.asyncio
async def test_the_operator_gives_a_shard_nothing_that_it_may_not_do_itself(
    shards: Namespace, operator: KubeApi
) -> None:
    database = DatabaseIdentity("flights", shards.name, "0")
    made = build_shard_objects(ShardManifestInput(database, "s0", 2, "image", "1Gi"))
    (role,) = (manifest for manifest in made if manifest["kind"] == "Role")
    await operator.apply(role)
    for rule in ({"resources": ["pods"], "verbs": ["delete"]}, {"resources": ["secrets"], "verbs": ["list"]}):
        with pytest.raises(Forbidden, match="attempting to grant RBAC permissions not currently held"):
            await operator.apply({**role, "rules": [*role["rules"], {"apiGroups": [""], **rule}]})
