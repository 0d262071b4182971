"""`kubectl caisson` against a real API server: what it reads, what it writes, and what a plain viewer gets.

There are no nodes and no operator here: a thread plays the operator where one is waited for.
"""

import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.apiserver import REPOSITORY, ApiServer
from api.test_rules import BASE, database
from fakes.databases import COPYING, FAILOVER, HEALTHY, build_shard
from fakes.kube_contract import KubeContract
from fakes.kube_contract import Server as ContractServer
from kubectl_caisson.__main__ import main
from kubectl_caisson.connection import Target, connect
from kubectl_caisson.kube import Kube, database_path
from kubectl_caisson.switchover import ANNOTATION

Run = Callable[..., tuple[int, str, str]]
STATUS = {
    "observedGeneration": 1,
    "phase": "Ready",
    "shardCount": 2,
    "conditions": [{**entry, "lastTransitionTime": "2026-11-25T08:00:00Z"} for entry in HEALTHY],
    "shards": [build_shard("s0", 32), build_shard("s1", 32)],
}


@pytest.fixture
def run(server: ApiServer, namespace: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, stdout and stderr of one command, as an administrator unless `kubeconfig` is another's."""

    def type_in(*words: str, kubeconfig: Path | None = None) -> tuple[int, str, str]:
        code = main([*words, "-n", namespace, "--kubeconfig", str(kubeconfig or server.kubeconfig)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


@pytest.fixture
def kube(server: ApiServer) -> Kube:
    return connect(Target(str(server.kubeconfig), None, None)).kube


@pytest.fixture
def flights(server: ApiServer, namespace: str) -> str:
    """A database with a status; the answer is its path."""
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    set_status(server, namespace, **STATUS)
    return database_path(namespace, "flights")


def set_status(server: ApiServer, namespace: str, **fields: Any) -> None:
    """As the operator does it, in the status subresource."""
    change = json.dumps({"status": fields})
    server.kubectl("patch", "sdb", "flights", "-n", namespace, "--subresource=status", "--type=merge", "-p", change)


class TestRealApiServer(KubeContract):
    """The protocol that the commands are written against, on the real thing."""

    @pytest.fixture
    def there(self, server: ApiServer, namespace: str, kube: Kube) -> ContractServer:
        return ContractServer(kube, lambda manifest: server.kubectl("create", "-f", "-", stdin=manifest), namespace)


@pytest.mark.usefixtures("flights")
def test_status_shows_shards_findings_and_a_running_expansion(server: ApiServer, namespace: str, run: Run) -> None:
    degraded = {"type": "Degraded", "status": "True", "reason": "NoSynchronousStandby", "message": "s1 has none"}
    set_status(server, namespace, conditions=[degraded], expansion=COPYING, phase="Expanding")
    code, out, _ = run("status")
    assert (code, out.splitlines()[0]) == (0, f"{namespace}/flights: Expanding, 2 of 2 shards with a primary")
    assert "! Degraded is True: NoSynchronousStandby: s1 has none" in out
    assert ["s0", "flights-s0-0", "1", "2/2", "32"] in [line.split() for line in out.splitlines()]
    assert "groups      2 copied, 1 verified, 0 switched, of 8" in out


def test_a_database_that_no_operator_has_seen_is_shown_too(server: ApiServer, namespace: str, run: Run) -> None:
    server.kubectl("create", "-f", "-", stdin=database(namespace, BASE))
    code, out, _ = run("status", "flights")
    assert code == 0
    assert "the operator has not looked at this database yet" in out


@pytest.mark.usefixtures("flights")
def test_a_name_that_there_is_not_ends_with_1_and_one_line(run: Run) -> None:
    code, out, error = run("status", "trains")
    assert (code, out) == (1, "")
    assert error == 'error: shardeddatabases.caisson.dev "trains" not found\n'


@pytest.mark.usefixtures("flights")
def test_failovers_are_shown_as_the_operator_keeps_them(server: ApiServer, namespace: str, run: Run) -> None:
    kept = {**FAILOVER, "cause": "PrimaryLost", "lost": "none"}
    set_status(server, namespace, failovers=[kept, {"shard": "s1", "timelineBefore": 3}])
    _, first, second = run("failovers", "flights")[1].splitlines()
    assert first.split()[2:] == ["s0", "flights-s0-0", "flights-s0-1", "1", "->", "2", "2.4s", "none", "PrimaryLost"]
    assert second.split() == ["-", "s1", "-", "-", "3", "->", "?", "-", "-", "-"]


@contextmanager
def operator(server: ApiServer, namespace: str, kube: Kube, *phases: str) -> Iterator[None]:
    """Takes up the request that stands in the annotation, and lets it come to each phase in turn, once it is there."""
    path, is_over = database_path(namespace, "flights"), threading.Event()

    def read_request() -> str | None:
        annotations = kube.get(path)["metadata"].get("annotations", {})
        return annotations.get(ANNOTATION, "").rsplit("/", 1)[-1] or None

    def answer() -> None:
        while (request := read_request()) is None and not is_over.wait(0.05):
            pass
        for phase in phases if request else ():
            said = {"request": request, "shard": "s0", "from": "flights-s0-0", "to": "flights-s0-1", "phase": phase}
            set_status(server, namespace, switchover={**said, "message": f"it is {phase}"})

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(("phase", "code"), [("Done", 0), ("Refused", 1), ("Failed", 1)])
def test_a_switchover_is_asked_for_and_followed_to_its_end(
    server: ApiServer, namespace: str, kube: Kube, run: Run, phase: str, code: int
) -> None:
    with operator(server, namespace, kube, "Requested", "Running", phase):
        ended, out, error = run("switchover", "flights", "s0", "--to", "flights-s0-1", "--timeout", "60s")
    assert ended == code
    assert f"{phase}: s0, flights-s0-0 -> flights-s0-1: it is {phase}" in (out if code == 0 else error)


def test_a_switchover_that_nobody_takes_up_is_explained(kube: Kube, flights: str, run: Run) -> None:
    before = kube.get(flights)
    code, _, error = run("switchover", "flights", "s0", "--timeout", "100ms")
    assert code == 1
    assert "the operator has not answered within 100ms" in error
    after = kube.get(flights)
    assert after["metadata"]["annotations"][ANNOTATION].startswith("s0/any/")
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])


def test_pause_and_resume_change_the_spec(kube: Kube, flights: str, run: Run) -> None:
    assert run("expand", "pause", "flights")[0] == 0
    assert kube.get(flights)["spec"]["expansion"]["paused"] is True
    assert run("expand", "resume", "flights")[0] == 0
    assert kube.get(flights)["spec"]["expansion"]["paused"] is False


@pytest.mark.usefixtures("flights")
def test_a_plan_is_shown_and_nothing_is_done(kube: Kube, flights: str, run: Run) -> None:
    before = kube.get(flights)["metadata"]["resourceVersion"]
    code, out, _ = run("expand", "plan", "flights", "--shards", "4")
    assert code == 0
    assert "2 -> 4 shards, 32 of 64 buckets move" in out
    assert kube.get(flights)["metadata"]["resourceVersion"] == before


@pytest.fixture
def viewer(server: ApiServer, namespace: str, tmp_path: Path) -> Path:
    """The kubeconfig of an account that may view this namespace, ShardedDatabases included, and nothing elsewhere."""
    server.kubectl("create", "serviceaccount", "viewer", "-n", namespace)
    # No controller is here that would fill the ClusterRole `view` from this one.
    for role in ("clusterrole=system:aggregate-to-view", "role=databases"):
        if role.startswith("role"):
            rights = ("--verb=get,list,watch", "--resource=shardeddatabases.caisson.dev")
            server.kubectl("create", "role", "databases", "-n", namespace, *rights)
        account = f"--serviceaccount={namespace}:viewer"
        server.kubectl(
            "create", "rolebinding", role.split("=")[1].split(":")[-1], "-n", namespace, f"--{role}", account
        )
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": server.kubectl("create", "token", "viewer", "-n", namespace).strip()}
    path = tmp_path / "viewer.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def put_member(server: ApiServer, namespace: str, secret: str) -> None:
    labels = {"caisson.dev/kind": "ShardedDatabase", "caisson.dev/database": "flights"}
    metadata = {"name": "flights-s0-0", "namespace": namespace, "labels": labels}
    container = {"name": "postgresql", "image": "none", "env": [{"name": "PGPASSWORD", "value": secret}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    server.kubectl("create", "-f", "-", stdin=pod)
    server.kubectl(
        "create", "secret", "generic", "flights-credentials", "-n", namespace, f"--from-literal=app={secret}"
    )


@pytest.mark.usefixtures("flights")
def test_a_plain_viewer_gets_a_report_with_what_it_may_read_and_a_list_of_the_rest(
    server: ApiServer, namespace: str, run: Run, viewer: Path, tmp_path: Path
) -> None:
    put_member(server, namespace, "hunter2-of-the-member")
    path = tmp_path / "report.tar.gz"
    code, out, error = run("report", "flights", "-o", str(path), kubeconfig=viewer)
    assert (code, out.startswith(str(path))) == (0, True), error
    files = unpack(path)
    held = {name.split("/", 1)[1] for name in files}
    logs = "members/logs/flights-s0-0.postgresql.log"  # of a pod that runs nowhere: empty
    assert {"shardeddatabase.json", "objects/pods.json", "objects/events.json", "versions-apiserver.json", logs} <= held
    assert not any("hunter2" in text for text in files.values())
    assert "PGPASSWORD" in next(text for name, text in files.items() if name.endswith("objects/pods.json"))
    for name in (
        "the operator's namespace",
        "definition.json",
        "operator/caisson-system/lease.json",
    ):
        assert f"could not be had: {name}: " in error


@pytest.mark.usefixtures("flights")
def test_what_a_viewer_may_not_change_is_refused_in_one_line(run: Run, viewer: Path, kube: Kube, flights: str) -> None:
    for words in (("switchover", "flights", "s0"), ("expand", "pause", "flights")):
        code, out, error = run(*words, kubeconfig=viewer)
        assert (code, out) == (1, "")
        assert "cannot patch resource" in error
        assert len(error.splitlines()) == 1
    assert ANNOTATION not in kube.get(flights)["metadata"].get("annotations", {})


def test_who_may_not_see_databases_is_told_so(server: ApiServer, namespace: str, run: Run, viewer: Path) -> None:
    server.kubectl("delete", "rolebinding", "databases", "-n", namespace)
    code, _, error = run("status", kubeconfig=viewer)
    assert code == 1
    assert "cannot list resource" in error
    assert "Ask an administrator for this right" in error


def test_a_token_that_is_not_accepted_is_told_so(run: Run, viewer: Path) -> None:
    config = yaml.safe_load(viewer.read_text())
    config["users"][0]["user"] = {"token": "nobody"}
    viewer.write_text(yaml.safe_dump(config))
    assert "the API server does not accept your credentials" in run("status", kubeconfig=viewer)[2]


def test_kubectl_finds_the_plugin_on_the_path(server: ApiServer, namespace: str, flights: str, tmp_path: Path) -> None:
    plugin = tmp_path / "kubectl-caisson"
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kubectl_caisson "$@"\n')
    plugin.chmod(0o755)
    path = f"{tmp_path}:{server.environment['PATH']}"
    done = subprocess.run(
        ["kubectl", "caisson", "status", "flights", "-n", namespace],
        capture_output=True, text=True, check=False,
        env={**python_environment(), "PATH": path, "KUBECONFIG": str(server.kubeconfig)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{namespace}/flights: Ready")


def python_environment() -> dict[str, str]:
    return {"PYTHONPATH": str(REPOSITORY / "workloads/cli"), "PATH": "/usr/bin:/bin"}


def unpack(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        streams = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: stream.read().decode() for name, stream in streams.items() if stream}
