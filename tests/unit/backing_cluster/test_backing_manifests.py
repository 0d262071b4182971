"""What the manifests promise: names, restricted pods, one small right for one container, no password outside a Secret."""

import base64
import json
from typing import Any

import pytest

from caisson_operator.backing_cluster.manifests import Names, Shape, build_credentials, build_epoch, build_objects
from caisson_operator.backing_cluster.wanted import Wanted
from fakes.backing_clusters import PASSWORDS, want

REDIS, INDEPENDENT, ZOOKEEPER = want(), want(topology="independent"), want("zookeeper")
ALL = [REDIS, INDEPENDENT, ZOOKEEPER]


def objects(wanted: Wanted) -> dict[tuple[str, str], dict[str, Any]]:
    built = build_objects(wanted, PASSWORDS, Shape(wanted.members, False, authority="PEM"))
    return {(made["kind"], made["metadata"]["name"]): made for made in built}


def pod(wanted: Wanted) -> dict[str, Any]:
    spec: dict[str, Any] = objects(wanted)["StatefulSet", "cache"]["spec"]["template"]["spec"]
    return spec


def binding(wanted: Wanted) -> dict[str, str]:
    data = objects(wanted)["Secret", "cache-binding"]["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@pytest.mark.parametrize("wanted", ALL)
def test_pods_are_restricted_and_no_container_but_the_agent_has_a_token(wanted: Wanted) -> None:
    found = pod(wanted)
    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    for container in found["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        has_token = any(mount["name"] == "token" for mount in container["volumeMounts"])
        assert has_token is (container["name"] == "epoch")


@pytest.mark.parametrize("wanted", ALL)
def test_every_container_has_the_servers_certificate_and_none_the_authoritys_key(wanted: Wanted) -> None:
    found = pod(wanted)
    volumes = {volume["name"]: volume for volume in found["volumes"]}
    assert volumes["tls"]["secret"] == {"secretName": "cache-tls", "defaultMode": 0o440}
    assert "cache-authority" not in json.dumps(found)
    for container in found["containers"]:
        assert {"name": "tls", "mountPath": "/etc/caisson/tls", "readOnly": True} in container["volumeMounts"]


def test_the_certificate_is_for_each_name_that_the_binding_leads_to_and_for_members_that_are_to_come() -> None:
    served = Names("cache", "demo").served
    assert {"cache.demo.svc", "cache", "localhost", "*.cache-members.demo.svc"} <= set(served)
    assert binding(REDIS)["host"] in served
    assert json.loads(binding(REDIS)["members"])[0]["host"].partition(".")[2] == "cache-members.demo.svc"


def test_the_agent_may_change_two_objects_and_that_of_an_independent_primary_one() -> None:
    rules = objects(REDIS)["Role", "cache-epoch"]["rules"]
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in rules] == [
        (["configmaps"], ["cache-epoch"], ["get", "update"]),
        (["endpoints"], ["cache"], ["get", "update"]),
    ]
    assert len(objects(INDEPENDENT)["Role", "cache-epoch"]["rules"]) == 1
    assert not any(kind == "Role" for kind, _ in objects(ZOOKEEPER))


@pytest.mark.parametrize("wanted", ALL)
def test_no_password_stands_outside_a_secret(wanted: Wanted) -> None:
    others = [made for (kind, _), made in objects(wanted).items() if kind != "Secret"]
    assert "pass" not in json.dumps(others).replace("passwords", "")


def test_the_binding_of_a_replicated_redis_names_its_sentinels() -> None:
    found = binding(REDIS)
    assert (found["type"], found["provider"], found["host"], found["port"]) == (
        "redis",
        "caisson",
        "cache.demo.svc",
        "6379",
    )
    assert found["uri"] == "rediss://caisson:app%2Fpass@cache.demo.svc:6379/0"
    assert found["ca.crt"] == "PEM"
    assert (found["topology"], found["master"], found["username"]) == ("replicated", "cache", "caisson")
    assert json.loads(found["sentinels"])[2] == {"host": "cache-2.cache-members.demo.svc", "port": 26379}


def test_the_binding_of_independent_primaries_names_each_of_them() -> None:
    found = binding(INDEPENDENT)
    assert (found["topology"], len(json.loads(found["members"]))) == ("independent", 3)
    assert not found.keys() & {"sentinels", "master"}


def test_the_binding_of_an_ensemble_names_its_hosts() -> None:
    found = binding(ZOOKEEPER)
    assert (found["type"], found["port"], found["ca.crt"]) == ("zookeeper", "2281", "PEM")
    assert found["hosts"].split(",")[0] == "cache-0.cache-members.demo.svc:2281"


def test_nobody_is_led_to_the_port_in_plain_text_of_an_ensembles_members() -> None:
    made = objects(ZOOKEEPER)
    ports = [port["port"] for name in ("cache", "cache-members") for port in made["Service", name]["spec"]["ports"]]
    (server,) = made["StatefulSet", "cache"]["spec"]["template"]["spec"]["containers"]
    assert {2281, 2888, 3888} == {*ports, *(port["containerPort"] for port in server["ports"])}


def test_clients_of_a_replicated_redis_are_led_by_the_agents_alone() -> None:
    assert "selector" not in objects(REDIS)["Service", "cache"]["spec"]
    assert "selector" in objects(INDEPENDENT)["Service", "cache"]["spec"]
    assert "selector" in objects(ZOOKEEPER)["Service", "cache"]["spec"]


def test_what_volumes_need_stays_with_them_and_the_epoch_stays_in_any_case() -> None:
    deleted = want(deletionPolicy="Delete")
    for kept in ("cache-credentials", "cache-authority"):
        assert "ownerReferences" not in objects(REDIS)["Secret", kept]["metadata"]
        assert "ownerReferences" in objects(deleted)["Secret", kept]["metadata"]
    assert "ownerReferences" in objects(REDIS)["Secret", "cache-binding"]["metadata"]
    for wanted in (REDIS, deleted):
        assert "ownerReferences" not in build_epoch(wanted, 0)["metadata"]
    policies = [
        objects(each)["StatefulSet", "cache"]["spec"]["persistentVolumeClaimRetentionPolicy"]
        for each in (REDIS, deleted)
    ]
    assert policies == [
        {"whenDeleted": "Retain", "whenScaled": "Delete"},
        {"whenDeleted": "Delete", "whenScaled": "Delete"},
    ]


def test_the_secret_of_credentials_has_what_the_members_read() -> None:
    assert build_credentials(REDIS, PASSWORDS)["data"].keys() == {"application", "admin"}


def test_one_member_at_a_time_may_be_drained() -> None:
    assert objects(REDIS)["PodDisruptionBudget", "cache"]["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(("memory", "heap"), [(None, "192"), ("512Mi", "256"), ("64Mi", "64")])
def test_the_heap_of_java_follows_the_limit_of_memory(memory: str | None, heap: str) -> None:
    limits = {"limits": {"memory": memory}} if memory else {}
    (container,) = pod(want("zookeeper", resources=limits))["containers"]
    assert {"name": "CAISSON_HEAP_MEGABYTES", "value": heap} in container["env"]
