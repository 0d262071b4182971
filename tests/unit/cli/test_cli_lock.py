"""`lock list`, `lock show`, `lock release`: what is shown of a lock space, and the request that takes a lock away."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.kube_objects import FakeKube
from kubectl_caisson.__main__ import main
from kubectl_caisson.connection import Connection
from kubectl_caisson.errors import NotSo, Unreachable
from kubectl_caisson.lock import ANNOTATION, LOCK_SPACE, Request, ask, follow, render_space, show_lock
from kubectl_caisson.switchover import Patience

NOW = datetime(2026, 11, 27, 12, 1, tzinfo=UTC)
PATH = LOCK_SPACE.path("demo", "jobs")
OURS = Request("demo", "jobs", "invoice:42", "ab12")
READY = {"type": "Ready", "status": "True", "reason": "Serving"}
LOCK = {
    "name": "invoice:42",
    "mode": "exclusive",
    "held": 1,
    "waiting": 3,
    "owner": "host/17/c1/4",
    "token": 5 << 40 | 7,
    "heldSince": "2026-11-27T12:00:00Z",
}
STATUS = {
    "conditions": [READY],
    "held": 1,
    "waiting": 3,
    "longestHold": "1m",
    "epoch": 5,
    "contention": 40,
    "locks": [LOCK, {"name": "idle", "held": 0, "waiting": 1}],
}


def space(status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "DistributedLock",
        "metadata": {"name": "jobs", "namespace": "demo"},
        "spec": {"backend": {"type": "database"}},
        "status": STATUS if status is None else status,
    }


@pytest.fixture
def kube() -> FakeKube:
    found = FakeKube()
    found.put(space())
    return found


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(kube: FakeKube, capsys: pytest.CaptureFixture[str]) -> Run:
    def type_in(*words: str) -> tuple[int, str, str]:
        code = main(("lock", *words), lambda target: Connection(kube, target.namespace or "demo"))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


def test_a_space_is_shown_with_its_locks() -> None:
    assert render_space(space(), NOW).splitlines() == [
        "demo/jobs on database: Ready",
        "  held 1, waiting 3, longest hold 1m, epoch 5, contention 40%",
        "  LOCK         MODE        HELD   WAITING   FOR   OWNER",
        "  invoice:42   exclusive   1      3         1m    host/17/c1/4",
        "  idle         -           0      1         -     -",
    ]


def test_a_space_that_nobody_has_looked_at_says_so() -> None:
    assert (
        render_space(space({}), NOW).splitlines()[0] == "demo/jobs on database: the operator has not looked at it yet"
    )


def test_a_space_that_is_not_ready_says_why() -> None:
    status = {"conditions": [{**READY, "status": "False", "reason": "BackendNotFound", "message": "there is none"}]}
    assert "not ready: BackendNotFound: there is none" in render_space(space(status), NOW)


def test_one_lock_is_shown_with_its_token_in_both_parts() -> None:
    text = show_lock(space(), "invoice:42", NOW)
    assert f"token     {5 << 40 | 7} (epoch 5, number 7)" in text
    assert "owner     host/17/c1/4" in text


def test_a_name_with_control_characters_can_not_disturb_the_terminal() -> None:
    status = {**STATUS, "locks": [{**LOCK, "owner": "evil\x1b[31m"}]}
    assert "\x1b" not in render_space(space(status), NOW)
    assert "\x1b" not in show_lock(space(status), "invoice:42", NOW)


def test_list_and_show_in_json_can_be_read(run: Run) -> None:
    code, out, _ = run("list", "-o", "json")
    assert (code, json.loads(out)[0]["status"]["held"]) == (0, 1)
    code, out, _ = run("show", "jobs", "invoice:42", "-o", "json")
    assert (code, json.loads(out)["owner"]) == (0, "host/17/c1/4")


def test_what_is_not_there_ends_with_1(run: Run) -> None:
    assert run("list", "-n", "elsewhere") == (
        1,
        "",
        "error: there is no DistributedLock in namespace elsewhere. All of them: kubectl get dlock --all-namespaces\n",
    )
    code, _, error = run("show", "jobs", "nothing")
    assert (code, error) == (
        1,
        "error: nobody was seen to hold or wait for 'nothing' at the operator's last look\n",
    )


@pytest.mark.parametrize("name", ["", "a\x00b", "line\nbreak", "x" * 513])
def test_a_name_that_no_lock_can_have_is_a_usage_error(run: Run, name: str) -> None:
    with pytest.raises(SystemExit) as end:
        run("release", "jobs", name)
    assert end.value.code == 2


class Clock:
    """Time that passes only in pauses; in each of them the next turn is played."""

    def __init__(self, *turns: Callable[[], None]) -> None:
        self.turns, self.seconds = list(turns), 0.0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        if self.turns:
            self.turns.pop(0)()

    def patience(self, timeout_seconds: float = 60) -> Patience:
        return Patience(timeout_seconds, lambda: self.seconds, self.pause)


def answer(kube: FakeKube, phase: str, request: str = "ab12", **fields: Any) -> Callable[[], None]:
    release = {"request": request, "lock": "invoice:42", "phase": phase, **fields}
    return lambda: kube.set_status(PATH, {**STATUS, "release": release})


def test_the_request_is_an_annotation_and_nothing_else_is_changed(kube: FakeKube) -> None:
    ask(kube, OURS)
    after = kube.get(PATH)
    assert after["metadata"]["annotations"] == {ANNOTATION: "invoice:42/ab12"}
    assert (after["spec"], after["status"]) == (space()["spec"], STATUS)


def test_it_follows_until_it_is_done_and_tells_each_phase_once(kube: FakeKube) -> None:
    told: list[str] = []
    ask(kube, OURS)
    requested = answer(kube, "Requested", message="about to be taken away")
    clock = Clock(requested, requested, answer(kube, "Done", message="taken from 1 holder"))
    assert follow(kube, OURS, clock.patience(), told.append) == "Done: invoice:42: taken from 1 holder"
    assert told == ["asked for invoice:42; waiting for the operator", "Requested: invoice:42: about to be taken away"]


def test_a_refusal_ends_with_the_operators_reason(kube: FakeKube) -> None:
    clock = Clock(answer(kube, "Refused", message="nobody holds the lock invoice:42"))
    with pytest.raises(NotSo, match="nobody holds the lock"):
        follow(kube, OURS, clock.patience(), lambda text: None)


def test_the_answer_to_an_earlier_request_is_not_taken_for_ours(kube: FakeKube) -> None:
    ask(kube, OURS)
    clock = Clock(answer(kube, "Done", request="old1"), answer(kube, "Done"))
    assert follow(kube, OURS, clock.patience(), lambda text: None).startswith("Done")
    assert clock.seconds == 1.0


def test_a_request_that_another_has_replaced_says_so(kube: FakeKube) -> None:
    ask(kube, Request("demo", "jobs", "other", "cd34"))
    with pytest.raises(NotSo, match="another request"):
        follow(kube, OURS, Clock().patience(), lambda text: None)


def test_a_release_that_is_under_way_is_waited_for(kube: FakeKube) -> None:
    answer(kube, "Requested", request="old1")()
    with pytest.raises(NotSo, match="is under way"):
        ask(kube, OURS)


def test_an_operator_that_does_not_answer_is_explained(kube: FakeKube) -> None:
    ask(kube, OURS)
    with pytest.raises(NotSo, match="no operator is installed") as refused:
        follow(kube, OURS, Clock().patience(1), lambda text: None)
    assert f"kubectl annotate dlock jobs -n demo {ANNOTATION}-" in str(refused.value)


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(kube: FakeKube) -> None:
    ask(kube, OURS)
    kube.broken["distributedlocks"] = Unreachable("no answer")

    def come_back() -> None:
        kube.broken.clear()
        answer(kube, "Done")()

    told: list[str] = []
    assert follow(kube, OURS, Clock(come_back).patience(), told.append).startswith("Done")
    assert told == ["no answer; the request stands, looking again"]


def test_a_release_without_waiting_says_what_was_asked(run: Run, kube: FakeKube) -> None:
    code, out, _ = run("release", "jobs", "invoice:42", "--no-wait")
    assert code == 0
    assert kube.objects[PATH]["metadata"]["annotations"][ANNOTATION] in out
