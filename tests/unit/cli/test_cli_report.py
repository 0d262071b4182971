"""A bundle holds what it should, goes on where it may not read, asks for no Secret, and lets no known secret through."""

import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.databases import build_database, serve
from fakes.kube_objects import FakeKube
from kubectl_caisson.errors import Forbidden, NotFound, NotSo, Unreachable
from kubectl_caisson.kube import Manifest
from kubectl_caisson.report.bundle import Bundle, write_archive
from kubectl_caisson.report.collecting import Wish, belongs_to, collect
from kubectl_caisson.report.redaction import redact

NOW = datetime(2026, 11, 25, 8, 44, tzinfo=UTC)
WISH = Wish("demo", "flights", 100)
OURS = {"caisson.dev/kind": "ShardedDatabase", "caisson.dev/database": "flights"}
OPERATOR = {"app.kubernetes.io/name": "caisson", "app.kubernetes.io/component": "operator"}
# One for each place in which a secret may lie, none of which is part of another.
SECRETS = {
    "env of a pod by its name": "aspen-7Qz",
    "env of a pod by its value": "birch-4Kd",
    "argument of a pod": "cedar-9Lm",
    "annotation of a pod by its name": "durian-2Wx",
    "annotation of a pod by its value": "elder-5Rt",
    "annotation in JSON": "fig-8Bn",
    "log line of a member": "ginkgo-3Vc",
    "log line of a container before": "hazel-6Hj",
    "log line of the operator in JSON": "ilex-1Ps",
    "message of an event": "juniper-0Yu",
    "migration": "katsura-7Gf",
    "message of a status": "larch-2Sd",
    "refusal of the API server": "maple-9Qa",
    "lease": "nutmeg-4Zx",
}


def item(kind: str, name: str, api_version: str = "v1", namespace: str = "demo", **fields: Any) -> Manifest:
    labels = OPERATOR if namespace == "caisson-system" else OURS
    metadata = {"name": name, "namespace": namespace, "labels": labels, "managedFields": [{"manager": "caisson"}]}
    metadata |= fields.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def build_member() -> Manifest:
    annotations = {
        "example.org/token": SECRETS["annotation of a pod by its name"],
        "example.org/note": f"use postgres://app:{SECRETS['annotation of a pod by its value']}@s0/app",
        "example.org/applied": '{"env":[{"name":"PASSWORD","value":"' + SECRETS["annotation in JSON"] + '"}]}',
    }
    container = {
        "name": "postgresql",
        "args": ["--password", SECRETS["argument of a pod"]],
        "env": [
            {"name": "PGPASSWORD", "value": SECRETS["env of a pod by its name"]},
            {"name": "UPSTREAM", "value": f"postgres://app:{SECRETS['env of a pod by its value']}@elsewhere/app"},
        ],
    }
    restarted = {"containerStatuses": [{"name": "postgresql", "restartCount": 1}]}
    return item(
        "Pod", "flights-s0-0", metadata={"annotations": annotations}, spec={"containers": [container]}, status=restarted
    )


def build_cluster() -> FakeKube:
    database = build_database(
        conditions=[{"type": "Ready", "status": "False", "message": f"dsn=x password={SECRETS['message of a status']}"}]
    )
    database["spec"]["schema"] = {
        "migrations": [{"id": "1", "sql": f"CREATE ROLE r PASSWORD '{SECRETS['migration']}'"}]
    }
    kube = serve(
        database,
        build_member(),
        item("StatefulSet", "flights-s0", "apps/v1"),
        item("Service", "flights-s0"),
        item("Endpoints", "flights-s0"),
        item("PersistentVolumeClaim", "data-flights-s0-0"),
        item("PodDisruptionBudget", "flights-s0", "policy/v1"),
        item("Secret", "flights-credentials", data={"app": "b2xpdmU="}),
        item("Event", "e1", involvedObject={"name": "flights-s0-0"}, message=f"pwd: {SECRETS['message of an event']}"),
        item("Event", "e2", involvedObject={"name": "another"}, message="of somebody else"),
        item("Deployment", "caisson-operator", "apps/v1", "caisson-system"),
        item("Pod", "caisson-operator-x", namespace="caisson-system", spec={"containers": [{"name": "operator"}]}),
        item(
            "Lease",
            "caisson-operator",
            "coordination.k8s.io/v1",
            "caisson-system",
            spec={"holderToken": SECRETS["lease"]},
        ),
    )
    kube.log(
        "flights-s0-0", "postgresql", f"LOG: started\nFATAL: password={SECRETS['log line of a member']} is wrong\n"
    )
    kube.log(
        "flights-s0-0", "postgresql", f"h:5432:db:app:{SECRETS['log line of a container before']}\n", is_previous=True
    )
    kube.log(
        "caisson-operator-x",
        "operator",
        '{"event": "e", "password": "' + SECRETS["log line of the operator in JSON"] + '"}\n',
    )
    kube.broken["/version"] = Forbidden(f"no: https://x:{SECRETS['refusal of the API server']}@proxy/")
    return kube


def pack(kube: FakeKube, folder: Path, redaction: Callable[[Any], Any] = redact, wish: Wish = WISH) -> dict[str, str]:
    """The files of the archive that a report writes."""
    bundle = Bundle(redaction)
    collect(kube, wish, {"kubectl-caisson": "0.1.0"}, bundle)
    path = folder / "report.tar.gz"
    write_archive(path, "report", bundle.list_files("a report"), NOW)
    with tarfile.open(path) as archive:
        streams = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: stream.read().decode() for name, stream in streams.items() if stream}


def leaked(files: dict[str, str]) -> list[str]:
    return [place for place, secret in SECRETS.items() if any(secret in text for text in files.values())]


def test_no_known_secret_is_in_the_bundle(tmp_path: Path) -> None:
    assert leaked(pack(build_cluster(), tmp_path)) == []


def test_control_without_redaction_each_of_them_is(tmp_path: Path) -> None:
    assert leaked(pack(build_cluster(), tmp_path, redaction=lambda value: value)) == list(SECRETS)


def test_secrets_and_config_maps_are_never_asked_for(tmp_path: Path) -> None:
    kube = build_cluster()
    files = pack(kube, tmp_path)
    assert not [path for _, path in kube.asked if "secrets" in path or "configmaps" in path]
    assert not any("b2xpdmU=" in text for text in files.values())
    assert {verb for verb, _ in kube.asked} == {"get"}


def test_it_holds_every_object_event_log_and_version(tmp_path: Path) -> None:
    files = pack(build_cluster(), tmp_path)
    assert sorted(name.removeprefix("report/") for name in files) == sorted(
        [
            "MANIFEST",
            "shardeddatabase.json",
            "versions.json",
            *(
                f"objects/{plural}.json"
                for plural in (
                    "endpoints", "events", "persistentvolumeclaims", "poddisruptionbudgets", "pods", "services", "statefulsets"
                )
            ),
            "members/logs/flights-s0-0.postgresql.log",
            "members/logs/flights-s0-0.postgresql.previous.log",
            "operator/caisson-system/deployments.json",
            "operator/caisson-system/lease.json",
            "operator/caisson-system/pods.json",
            "operator/caisson-system/logs/caisson-operator-x.operator.log",
        ]
    )  # fmt: skip
    assert "of somebody else" not in files["report/objects/events.json"]
    assert "managedFields" not in files["report/objects/pods.json"]


def test_the_manifest_lists_what_is_inside_and_what_could_not_be_had(tmp_path: Path) -> None:
    files = pack(build_cluster(), tmp_path)
    inside, missing = files["report/MANIFEST"].split("Could not be had:")
    for name, text in files.items():
        if name != "report/MANIFEST":
            assert f"{name.removeprefix('report/')}   {len(text.encode())} bytes" in inside
    assert "versions-apiserver.json   no: https://***@proxy/" in missing


def test_what_may_not_be_read_is_noted_and_the_rest_is_there(tmp_path: Path) -> None:
    kube = build_cluster()
    kube.forbidden = {"/pods", "/apis/apps/v1/deployments", "/leases", "shardeddatabases"}
    files = pack(kube, tmp_path)
    missing = files["report/MANIFEST"].split("Could not be had:")[1]
    for name in (
        "shardeddatabase.json", "objects/pods.json", "the operator's namespace", "operator/caisson-system/lease.json"
    ):  # fmt: skip
        assert name in missing
    assert "report/objects/statefulsets.json" in files
    assert "report/operator/caisson-system/deployments.json" in files


def test_a_log_that_is_gone_is_noted(tmp_path: Path) -> None:
    kube = build_cluster()
    kube.logs.clear()
    files = pack(kube, tmp_path)
    assert "members/logs/flights-s0-0.postgresql.previous.log   no log" in files["report/MANIFEST"]


def test_the_operators_namespace_may_be_named(tmp_path: Path) -> None:
    kube = build_cluster()
    files = pack(kube, tmp_path, wish=Wish("demo", "flights", 100, operator_namespace="elsewhere"))
    assert files["report/operator/elsewhere/deployments.json"] == "[]\n"
    assert "/apis/apps/v1/deployments" not in [path for _, path in kube.asked]


def test_there_is_no_report_on_a_database_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        pack(serve(), tmp_path, wish=Wish("demo", "trains", 100))


def test_an_api_server_that_is_away_ends_the_report(tmp_path: Path) -> None:
    kube = serve()
    kube.broken["shardeddatabases"] = Unreachable("no answer")
    with pytest.raises(Unreachable):
        pack(kube, tmp_path)


def test_the_archive_is_the_users_alone_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.tar.gz"
    write_archive(path, "report", {"a": "b"}, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotSo, match=r"File exists\. Choose another with -o"):
        write_archive(path, "report", {"a": "b"}, NOW)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("flights", True),
        ("flights-s0", True),
        ("flights-s12-1", True),
        ("flights-s0-ro", True),
        ("data-flights-s0-0", True),
        ("flights-binding", True),
        ("flights-old", False),
        ("flights-old-s0-0", False),
        ("trains-s0", False),
        ("", False),
    ],
)
def test_an_event_belongs_to_the_database_by_the_name_of_what_it_is_about(name: str, ours: bool) -> None:
    assert belongs_to("flights", name) is ours
