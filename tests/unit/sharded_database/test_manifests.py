"""What the manifests promise: names, what outlives the resource, restricted pods, no password outside a Secret."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.api.sharded_database_spec import DeletionPolicy, Durability
from caisson_operator.core.layout import Login
from caisson_operator.sharded_database.credentials import build_credentials, read_credentials
from caisson_operator.sharded_database.manifests import (
    BindingInput,
    DatabaseIdentity,
    ShardManifestInput,
    build_address,
    build_authority_secret,
    build_certificate_secret,
    build_cluster_settings,
    build_credentials_secret,
    build_database_objects,
    build_server_names,
    build_shard_objects,
)
from caisson_operator.sharded_database.manifests.secrets import read_login
from caisson_operator.sharded_database.manifests.stateful_set import TEMPLATE, fingerprint

FLIGHTS = DatabaseIdentity("flights", "demo", "uid-1")
SHARD = ShardManifestInput(
    database=FLIGHTS,
    shard="s0",
    members=2,
    image="caisson/postgres:abc",
    storage_size="2Gi",
    resources={"requests": {"cpu": "100m", "memory": "256Mi"}},
)
DELETED_WITH_IT = replace(SHARD, database=replace(FLIGHTS, deletion_policy=DeletionPolicy.DELETE))
ADDRESSES = tuple(build_address(FLIGHTS, shard) for shard in ("s0", "s1"))
UIDS = {"flights-credentials": "uid-2", "flights-ca": "uid-3"}
BINDING = BindingInput(Login("caisson_app_b", "r1"), "p/w", "pem")
CREDENTIALS = build_credentials(lambda name: f"{name}:pass\\word/%")


def by_name(objects: tuple[dict[str, Any], ...], kind: str) -> dict[str, dict[str, Any]]:
    return {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == kind}


def stateful_set(shard: ShardManifestInput = SHARD) -> dict[str, Any]:
    return by_name(build_shard_objects(shard), "StatefulSet")["flights-s0"]


def budgets(**changes: Any) -> dict[str, dict[str, Any]]:
    return by_name(build_shard_objects(replace(SHARD, **changes)), "PodDisruptionBudget")


def pod(shard: ShardManifestInput = SHARD) -> dict[str, Any]:
    spec: dict[str, Any] = stateful_set(shard)["spec"]["template"]["spec"]
    return spec


def environment(shard: ShardManifestInput = SHARD) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in pod(shard)["containers"][0]["env"]}


def unowned(objects: tuple[dict[str, Any], ...]) -> set[str]:
    return {entry["metadata"]["name"] for entry in objects if "ownerReferences" not in entry["metadata"]}


def decoded(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_names_every_object_of_a_shard_as_the_reference_does() -> None:
    found = {(entry["kind"], entry["metadata"]["name"]) for entry in build_shard_objects(SHARD)}
    services = {("Service", f"flights-s0{suffix}") for suffix in ("", "-ro", "-pods", "-config", "-sync")}
    rights = {(kind, "flights-s0") for kind in ("ServiceAccount", "Role", "RoleBinding")}
    assert found == services | rights | {
        ("PodDisruptionBudget", "flights-s0"),
        ("PodDisruptionBudget", "flights-s0-primary"),
        ("StatefulSet", "flights-s0"),
    }


def test_labels_every_object_with_its_database_and_shard() -> None:
    wanted = {"caisson.dev/kind": "ShardedDatabase", "caisson.dev/database": "flights", "caisson.dev/shard": "s0"}
    for entry in build_shard_objects(SHARD):
        assert wanted.items() <= entry["metadata"]["labels"].items(), entry["metadata"]["name"]


def test_gives_the_same_bytes_for_the_same_input() -> None:
    assert json.dumps(build_shard_objects(SHARD)) == json.dumps(build_shard_objects(replace(SHARD)))


def test_patronis_state_outlives_the_resource_as_its_volumes_do() -> None:
    assert unowned(build_shard_objects(SHARD)) == {"flights-s0-config", "flights-s0-sync"}
    assert stateful_set()["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"


def test_everything_goes_with_a_resource_that_says_delete() -> None:
    assert unowned(build_shard_objects(DELETED_WITH_IT)) == set()
    assert stateful_set(DELETED_WITH_IT)["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"


@pytest.mark.parametrize("policy", DeletionPolicy)
def test_credentials_and_authority_are_created_without_an_owner_and_owned_by_apply_alone(
    policy: DeletionPolicy,
) -> None:
    database = replace(FLIGHTS, deletion_policy=policy)
    *ownerships, _binding = build_database_objects(database, ADDRESSES, BINDING, UIDS)
    created = (build_credentials_secret(database, CREDENTIALS), build_authority_secret(database, "pem", "key"))
    assert unowned(created) == {"flights-credentials", "flights-ca"}
    for ownership, secret in zip(ownerships, created, strict=True):
        assert ("ownerReferences" in ownership["metadata"]) == (policy == DeletionPolicy.DELETE)
        assert ownership["metadata"]["name"] == secret["metadata"]["name"]
        assert "data" not in ownership
        assert ownership["metadata"]["uid"] == UIDS[secret["metadata"]["name"]], "another than the one that was seen"
    assert read_login(ownerships[0]) == BINDING.login, "noted where it outlives the binding"


def test_a_secret_that_is_not_there_is_not_applied_to() -> None:
    """The server would make an empty one, and the volumes would be locked for good."""
    assert [made["metadata"]["name"] for made in build_database_objects(FLIGHTS, ADDRESSES, BINDING, {})] == [
        "flights-binding"
    ]


def test_owners_are_named_without_a_claim_to_block_their_deletion() -> None:
    owner = stateful_set()["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ShardedDatabase", "flights", "uid-1")
    assert owner["controller"]
    assert not owner["blockOwnerDeletion"]


def test_only_patroni_routes_the_read_write_service() -> None:
    services = by_name(build_shard_objects(SHARD), "Service")
    without_selector = {name for name, entry in services.items() if "selector" not in entry["spec"]}
    assert without_selector == {"flights-s0", "flights-s0-config", "flights-s0-sync"}
    assert services["flights-s0-ro"]["spec"]["selector"]["caisson.dev/role"] == "replica"
    assert environment()["PATRONI_SCOPE"] == services["flights-s0"]["metadata"]["name"]


def test_selectors_match_the_pods_of_this_shard() -> None:
    labels = stateful_set()["spec"]["template"]["metadata"]["labels"].items()
    selectors = {name: entry["spec"]["selector"]["matchLabels"] for name, entry in budgets().items()}
    roles = {name: selector.pop("caisson.dev/role") for name, selector in selectors.items()}
    assert roles == {"flights-s0": "replica", "flights-s0-primary": "primary"}, "a pod of two budgets is never evicted"
    for selector in (stateful_set()["spec"]["selector"]["matchLabels"], *selectors.values()):
        assert selector.items() <= labels
        assert selector["caisson.dev/shard"] == "s0"


def rules(shard: ShardManifestInput = SHARD) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = by_name(build_shard_objects(shard), "Role")["flights-s0"]["rules"]
    return found


def test_only_what_kubernetes_cannot_limit_by_name_is_allowed_for_the_whole_namespace() -> None:
    everywhere = {(kind, verb) for rule in rules() if "resourceNames" not in rule for kind, verb in spread(rule)}
    assert everywhere == {
        ("endpoints", "create"),
        ("endpoints", "list"),
        ("endpoints", "watch"),
        ("pods", "list"),
        ("pods", "watch"),
    }


def test_members_may_change_their_shards_records_and_pods_by_name() -> None:
    by_kind = {kind: (rule["resourceNames"], rule["verbs"]) for rule in rules() if "resourceNames" in rule
               for kind in rule["resources"]}  # fmt: skip
    records = ["flights-s0", "flights-s0-config", "flights-s0-sync", "flights-s0-failover"]
    assert by_kind == {
        "endpoints": (records, ["get", "patch"]),
        "pods": (["flights-s0-0", "flights-s0-1"], ["patch"]),
    }


def spread(rule: dict[str, Any]) -> list[tuple[str, str]]:
    return [(kind, verb) for kind in rule["resources"] for verb in rule["verbs"]]


def test_a_pod_that_leaves_keeps_its_rights() -> None:
    assert rules(replace(SHARD, leaving=("flights-s0-2",)))[-1]["resourceNames"] == [
        "flights-s0-0",
        "flights-s0-1",
        "flights-s0-2",
    ]


def test_pods_run_as_their_shards_account_and_are_made_once_it_has_its_rights() -> None:
    made = build_shard_objects(SHARD)
    assert [entry["kind"] for entry in made][-4:] == ["ServiceAccount", "Role", "RoleBinding", "StatefulSet"]
    binding = by_name(made, "RoleBinding")["flights-s0"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "flights-s0", "namespace": "demo"}]
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", "flights-s0")
    assert (pod()["serviceAccountName"], pod()["automountServiceAccountToken"]) == ("flights-s0", True)


def test_a_pod_of_another_account_is_out_of_date() -> None:
    """So an update restarts those that an earlier release has made, under the account that all shards shared."""
    shared = {**pod(), "serviceAccountName": "caisson-engine"}
    told = stateful_set()["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    assert fingerprint(pod()) == told
    assert fingerprint(shared) != told


@pytest.mark.parametrize(("members", "standbys", "primaries"), [(1, 0, 0), (2, 0, 1), (3, 1, 1), (5, 3, 1)])
def test_no_primary_with_a_standby_may_be_evicted_and_one_standby_at_a_time(
    members: int, standbys: int, primaries: int
) -> None:
    least = {name: entry["spec"]["minAvailable"] for name, entry in budgets(members=members).items()}
    assert least == {"flights-s0": standbys, "flights-s0-primary": primaries}


def test_pods_meet_the_restricted_pod_security_level() -> None:
    outer = pod()["securityContext"]
    assert outer["runAsNonRoot"]
    assert outer["runAsUser"] > 0
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod()["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_agent_beside_each_member_knows_who_it_is_and_no_secret() -> None:
    member, agent = pod()["containers"]
    assert (member["name"], agent["name"]) == ("postgresql", "early-expiry")
    assert agent["image"] == member["image"]
    assert [mount["name"] for mount in agent["volumeMounts"]] == ["authority"], "a certificate, and no key"
    assert {entry["name"] for entry in agent["env"]} == {
        "PATRONI_NAME",
        "PATRONI_SCOPE",
        "PATRONI_KUBERNETES_NAMESPACE",
        "PATRONI_KUBERNETES_POD_IP",
    }


@pytest.mark.parametrize("change", [{"members": 1}, {"durability": Durability.ASYNCHRONOUS}])
def test_the_agent_is_there_before_it_has_anything_to_do(change: dict[str, Any]) -> None:
    """Both change without a restart of the pods."""
    assert [entry["name"] for entry in pod(replace(SHARD, **change))["containers"]] == ["postgresql", "early-expiry"]


def test_every_mount_has_its_volume() -> None:
    volumes = {volume["name"] for volume in pod()["volumes"]} | {"data"}
    mounts = {mount["name"] for container in pod()["containers"] for mount in container["volumeMounts"]}
    assert mounts == volumes


def test_leaves_the_storage_class_to_the_cluster_unless_told() -> None:
    told = stateful_set(replace(SHARD, storage_class="fast"))["spec"]["volumeClaimTemplates"][0]
    assert "storageClassName" not in stateful_set()["spec"]["volumeClaimTemplates"][0]["spec"]
    assert told["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("durability", "members", "is_synchronous", "is_strict"),
    [
        (Durability.SYNCHRONOUS, 2, True, False),
        (Durability.STRICT, 3, True, True),
        (Durability.ASYNCHRONOUS, 2, False, False),
        (Durability.STRICT, 1, False, False),
    ],
)
def test_durability_decides_who_must_have_a_commit(
    durability: Durability, members: int, is_synchronous: bool, is_strict: bool
) -> None:
    settings = build_cluster_settings(durability, members, "2Gi", {})
    assert settings["synchronous_mode"] is is_synchronous
    assert settings["synchronous_mode_strict"] is is_strict


def test_a_standby_with_every_acknowledged_commit_may_lead_whatever_else_it_lacks() -> None:
    bounds = {
        durability: build_cluster_settings(durability, 2, "2Gi", {})["maximum_lag_on_failover"]
        for durability in Durability
    }
    assert bounds[Durability.SYNCHRONOUS] == bounds[Durability.STRICT] > 2**39
    assert bounds[Durability.ASYNCHRONOUS] == 2**20


def test_never_throws_away_a_member_that_may_hold_the_only_copy() -> None:
    settings = build_cluster_settings(Durability.ASYNCHRONOUS, 3, "2Gi", {})["postgresql"]
    assert settings["remove_data_directory_on_rewind_failure"] is False
    assert settings["remove_data_directory_on_diverged_timelines"] is False


@pytest.mark.parametrize(("size", "kept"), [("2Gi", "1024MB"), ("100Gi", "51200MB"), ("100Mi", "256MB")])
def test_a_forgotten_slot_may_fill_half_of_the_volume(size: str, kept: str) -> None:
    parameters = build_cluster_settings(Durability.SYNCHRONOUS, 2, size, {})["postgresql"]["parameters"]
    assert parameters["max_slot_wal_keep_size"] == kept


def test_pods_carry_the_settings_that_follow_from_the_resource() -> None:
    assert json.loads(environment()["CAISSON_DCS"]) == build_cluster_settings(SHARD.durability, 2, "2Gi", {})


def test_no_password_stands_outside_a_secret() -> None:
    text = json.dumps(build_shard_objects(SHARD))
    assert "secretKeyRef" not in text
    assert not [name for name in environment() if "PASSWORD" in name]
    assert "word" not in repr(CREDENTIALS)


def test_credentials_come_back_from_their_secret() -> None:
    secret = build_credentials_secret(FLIGHTS, CREDENTIALS)
    assert read_credentials(secret["data"]) == CREDENTIALS
    assert set(secret["data"]) == {"superuser", "owner", "app", "replication", "rewind", "restapi", "passfile"}


def test_missing_credentials_are_named() -> None:
    secret = build_credentials_secret(FLIGHTS, CREDENTIALS)
    del secret["data"]["rewind"]
    with pytest.raises(KeyError, match="rewind"):
        read_credentials(secret["data"])


def test_escapes_the_password_as_libpq_reads_it() -> None:
    passfile = decoded(build_credentials_secret(FLIGHTS, CREDENTIALS))["passfile"]
    assert passfile == "*:*:*:caisson_replication:replication\\:pass\\\\word/%\n"


def test_binding_speaks_the_service_binding_specification() -> None:
    *_, binding = build_database_objects(FLIGHTS, ADDRESSES, BINDING, UIDS)
    values = decoded(binding)
    assert binding["metadata"]["name"] == "flights-binding"
    assert binding["type"] == "servicebinding.io/postgresql"
    assert (values["type"], values["provider"], values["database"]) == ("postgresql", "caisson", "app")
    assert values["username"] == "caisson_app_b"
    assert values["uri"] == "postgresql://caisson_app_b:p%2Fw@flights-s0.demo.svc:5432/app?sslmode=verify-full"
    assert (values["sslmode"], values["sslrootcert"], values["ca.crt"]) == ("verify-full", "ca.crt", "pem")
    assert json.loads(values["shards"])[1] == {
        "shard": "s1",
        "host": "flights-s1.demo.svc",
        "port": 5432,
        "read_host": "flights-s1-ro.demo.svc",
        "members_host": "flights-s1-pods.demo.svc",
    }


def test_a_shards_certificate_is_a_secret_of_kubernetes_own_type_that_goes_with_the_resource() -> None:
    made = build_certificate_secret(FLIGHTS, "s0", "certificate", "key", "authority")
    assert (made["metadata"]["name"], made["type"]) == ("flights-s0-tls", "kubernetes.io/tls")
    assert decoded(made) == {"tls.crt": "certificate", "tls.key": "key", "ca.crt": "authority"}
    assert unowned((made,)) == set()
    mounted = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in pod()["volumes"]}
    assert mounted["certificate"] == mounted["authority"] == "flights-s0-tls"


def test_the_names_of_a_certificate_are_those_by_which_members_are_reached() -> None:
    names = build_server_names(FLIGHTS, "s0")
    address = build_address(FLIGHTS, "s0")
    assert {
        address.host,
        address.read_host,
        address.members_host,
        "flights-s0.demo.svc.cluster.local",
        "flights-s0",
    } <= set(names)
    assert "*.flights-s0-pods.demo.svc" in names
    assert not set(names) & set(build_server_names(FLIGHTS, "s1")), "a shard's certificate is not another's"


def test_probes_ask_patroni_over_tls_who_lives_and_who_is_fit_to_answer() -> None:
    """Ready is the leader, or a standby that follows closely; alive asks less, so that a standby that lags is not restarted."""
    member = pod()["containers"][0]
    asked = {probe: member[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/liveness", "port": 8008, "scheme": "HTTPS"},
        "liveness": {"path": "/liveness", "port": 8008, "scheme": "HTTPS"},
        "readiness": {"path": "/readiness?lag=128MB&mode=apply", "port": 8008, "scheme": "HTTPS"},
    }
    assert 8008 in {port["containerPort"] for port in member["ports"]}


def test_members_of_one_shard_keep_away_from_each_other_where_there_are_nodes_enough() -> None:
    """By preference: three members on two nodes are better than two. Of one shard alone: others may share its nodes."""
    (wish,) = pod()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert pod()["affinity"]["podAntiAffinity"].keys() == {"preferredDuringSchedulingIgnoredDuringExecution"}
    term, labels = wish["podAffinityTerm"], stateful_set()["spec"]["template"]["metadata"]["labels"]
    assert (wish["weight"], term["topologyKey"]) == (100, "kubernetes.io/hostname")
    selected = term["labelSelector"]["matchLabels"]
    assert selected.items() <= labels.items(), "the members themselves"
    neighbour = by_name(build_shard_objects(replace(SHARD, shard="s1")), "StatefulSet")["flights-s1"]
    other = neighbour["spec"]["template"]["metadata"]["labels"]
    assert not selected.items() <= other.items(), "no member of another shard"
