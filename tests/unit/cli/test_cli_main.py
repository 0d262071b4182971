"""The command line as a whole: exit codes, one clear line for each error, and never a traceback."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.databases import FAILOVER, PATH, build_database, serve
from fakes.kube_objects import FakeKube
from kubectl_caisson.__main__ import main
from kubectl_caisson.arguments import build_parser, parse_seconds
from kubectl_caisson.connection import Connection, Target, connect, explain_refusal
from kubectl_caisson.errors import Forbidden, KindMissing, KubeError, NoCluster, NotFound, Unreachable

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kube() -> FakeKube:
    return serve()


@pytest.fixture
def run(kube: FakeKube, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, stdout and stderr of one command; the context's namespace is `demo`."""

    def type_in(*words: str) -> tuple[int, str, str]:
        code = main(words, lambda target: Connection(kube, target.namespace or "demo"))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


def test_status_shows_and_ends_with_0(run: Run) -> None:
    code, out, _ = run("status")
    assert (code, out.splitlines()[0]) == (0, "demo/flights: Ready, 2 of 2 shards with a primary")


def test_status_in_json_can_be_read(run: Run) -> None:
    code, out, _ = run("status", "flights", "-o", "json")
    assert (code, json.loads(out)[0]["name"]) == (0, "flights")


def test_all_databases_of_the_namespace_are_shown(run: Run, kube: FakeKube) -> None:
    kube.put(build_database("trains"))
    _, out, _ = run("status")
    assert [line for line in out.splitlines() if line.startswith("demo/")] == [
        "demo/flights: Ready, 2 of 2 shards with a primary",
        "demo/trains: Ready, 2 of 2 shards with a primary",
    ]


def test_an_empty_namespace_is_told_and_ends_with_1(run: Run) -> None:
    code, out, error = run("status", "-n", "elsewhere")
    assert (code, out) == (1, "")
    assert error == (
        "error: there is no ShardedDatabase in namespace elsewhere. All of them: kubectl get sdb --all-namespaces\n"
    )


def test_failovers_in_both_forms(run: Run, kube: FakeKube) -> None:
    assert run("failovers", "flights")[:2] == (0, "no failover of demo/flights is on record\n")
    kube.put(build_database(failovers=[FAILOVER]))
    assert json.loads(run("failovers", "flights", "-o", "json")[1]) == [FAILOVER]


def test_a_switchover_without_waiting_says_what_was_asked(run: Run, kube: FakeKube) -> None:
    code, out, _ = run("switchover", "flights", "s0", "--no-wait")
    asked = kube.objects[PATH]["metadata"]["annotations"]["caisson.dev/switchover"]
    assert code == 0
    assert asked in out
    assert asked.startswith("s0/any/")


def test_each_request_has_an_id_of_its_own(run: Run, kube: FakeKube) -> None:
    def ask() -> str:
        run("switchover", "flights", "s0", "--no-wait")
        text: str = kube.objects[PATH]["metadata"]["annotations"]["caisson.dev/switchover"]
        return text

    assert ask() != ask()


def test_a_switchover_that_nobody_answers_ends_with_1(run: Run) -> None:
    code, _, error = run("switchover", "flights", "s0", "--timeout", "0s")
    assert code == 1
    assert "the operator has not answered within 0ms" in error


def test_expand_pause_resume_and_plan(run: Run, kube: FakeKube) -> None:
    assert run("expand", "pause", "flights")[0] == 0
    assert kube.objects[PATH]["spec"]["expansion"]["paused"] is True
    assert run("expand", "resume", "flights")[0] == 0
    assert "32 of 64 buckets move" in run("expand", "plan", "flights", "--shards", "4")[1]
    assert json.loads(run("expand", "plan", "flights", "--shards", "4", "-o", "json")[1])["bucketsMoved"] == 32
    assert run("expand", "plan", "flights", "--shards", "2")[0] == 1


def test_a_report_is_written_where_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    code, out, error = run("report", "flights", "-o", str(path))
    assert (code, path.exists()) == (0, True)
    assert out.startswith(str(path))
    assert "could not be had: versions-apiserver.json" in error


def test_a_report_is_named_by_database_and_time(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("report", "flights")
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("caisson-report-flights-2")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("explode",),
        ("expand",),
        ("expand", "plan", "flights"),
        ("expand", "plan", "flights", "--shards", "none"),
        ("failovers",),
        ("status", "-o", "yaml"),
        ("switchover", "flights"),
        ("switchover", "flights", "s0/any"),
        ("switchover", "flights", "s0", "--timeout", "soon"),
        ("report", "flights", "--tail", "0"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        run(*words)
    assert left.value.code == 2


@pytest.mark.parametrize("error", [NotFound("x"), KindMissing("x"), Forbidden("x"), Unreachable("x"), KubeError("x")])
@pytest.mark.parametrize(
    "words", [("status",), ("failovers", "flights"), ("switchover", "flights", "s0"), ("expand", "pause", "flights")]
)
def test_what_the_api_server_refuses_is_one_line_and_1(
    run: Run, kube: FakeKube, error: KubeError, words: tuple[str, ...]
) -> None:
    kube.broken["shardeddatabases"] = error
    assert run(*words) == (1, "", "error: x\n")


def test_a_kubeconfig_that_is_none_is_one_line_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (None, "", "a list: [of, nothing]", "- 1", ":\n:"):
        path = tmp_path / "config"
        if text is not None:
            path.write_text(text)
        assert main(["status", "--kubeconfig", str(path)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: no cluster to talk to: ")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
contexts:
  - {name: one, context: {cluster: c, user: u, namespace: flights}}
  - {name: two, context: {cluster: c, user: u}}
users: [{name: u, user: {token: t}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
"""


@pytest.mark.parametrize(
    ("context", "namespace", "chosen"),
    [(None, None, "flights"), ("two", None, "default"), ("two", "demo", "demo"), (None, "demo", "demo")],
)
def test_the_namespace_is_the_flags_else_the_contexts(
    tmp_path: Path, context: str | None, namespace: str | None, chosen: str
) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    assert connect(Target(str(path), context, namespace)).namespace == chosen


def test_a_context_that_there_is_not_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    with pytest.raises(NoCluster, match="three"):
        connect(Target(str(path), "three", None))


def test_an_api_server_that_is_away_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)  # nothing listens on port 1
    assert main(["status", "--kubeconfig", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no answer from the API server http://127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("status", "data", "kind", "says"),
    [
        (404, b"404 page not found\n", KindMissing, "is Caisson installed"),
        (404, b'{"message": "shardeddatabases \\"x\\" not found"}', NotFound, 'shardeddatabases "x" not found'),
        (403, b'{"message": "u cannot get it"}', Forbidden, "u cannot get it. Ask an administrator"),
        (401, b'{"message": "Unauthorized"}', Forbidden, "log in again"),
        (422, b'{"message": "spec.shards: no"}', KubeError, "spec.shards: no"),
        (502, b"<html>", KubeError, "<html>"),
        (500, b"", KubeError, "status 500"),
    ],
)
def test_each_refusal_has_its_kind_and_its_words(status: int, data: bytes, kind: type[KubeError], says: str) -> None:
    refusal = explain_refusal(status, data)
    assert type(refusal) is kind
    assert says in str(refusal)


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("0s", 0)])
def test_a_duration_is_read_as_kubernetes_writes_it(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "s", "1d", "1 m", "-5s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_seconds(text)


@pytest.mark.parametrize(
    "words", [(), ("status",), ("failovers",), ("switchover",), ("expand",), ("expand", "plan"), ("report",)]
)
def test_every_help_has_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        build_parser("0").parse_args([*words, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "examples:\n  kubectl caisson " in said


def test_the_help_of_expand_names_what_begins_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser("0").parse_args(["expand", "--help"])
    assert "kubectl scale sdb/NAME --replicas=N" in capsys.readouterr().out.replace("\n", " ")
