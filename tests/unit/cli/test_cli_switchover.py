"""`switchover`: the request that is written, and every way in which the operator may answer it, or not."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes.databases import PATH, build_database, serve
from fakes.kube_objects import FakeKube
from kubectl_caisson.errors import NotSo, Unreachable
from kubectl_caisson.release import describe_releases, read_release
from kubectl_caisson.switchover import ANNOTATION, Patience, Request, ask, follow

OURS = Request("demo", "flights", "s0", None, "ab12")
Turn = Callable[[FakeKube], None]


class Clock:
    """Time that passes only in pauses; in each of them the next turn is played."""

    def __init__(self, kube: FakeKube, *turns: Turn) -> None:
        self.kube, self.turns, self.seconds = kube, list(turns), 0.0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        if self.turns:
            self.turns.pop(0)(self.kube)

    def patience(self, timeout_seconds: float = 60) -> Patience:
        return Patience(timeout_seconds, lambda: self.seconds, self.pause)


def answer(phase: str, request: str = "ab12", **fields: Any) -> Turn:
    said = {"request": request, "shard": "s0", "from": "flights-s0-0", "to": "flights-s0-1", "phase": phase, **fields}
    return lambda kube: kube.set_status(PATH, {"switchover": said})


def annotation(kube: FakeKube) -> str | None:
    found: str | None = kube.objects[PATH]["metadata"].get("annotations", {}).get(ANNOTATION)
    return found


def run(*turns: Turn, timeout_seconds: float = 60) -> tuple[str, list[str]]:
    kube = serve()
    told: list[str] = []
    ask(kube, OURS)
    return follow(kube, OURS, Clock(kube, *turns).patience(timeout_seconds), told.append), told


@pytest.mark.parametrize(("member", "text"), [(None, "s0/any/ab12"), ("flights-s0-1", "s0/flights-s0-1/ab12")])
def test_the_request_is_an_annotation_and_nothing_else_is_changed(member: str | None, text: str) -> None:
    kube = serve()
    before = kube.get(PATH)
    ask(kube, Request("demo", "flights", "s0", member, "ab12"))
    assert annotation(kube) == text
    after = kube.get(PATH)
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])


def test_it_follows_until_it_is_done_and_tells_each_phase_once() -> None:
    done, told = run(answer("Requested"), answer("Running"), answer("Running"), answer("Done"))
    assert done == "Done: s0, flights-s0-0 -> flights-s0-1"
    assert [line.split(":")[0] for line in told] == [
        "asked for s0/any/ab12; waiting for the operator", "Requested", "Running"
    ]  # fmt: skip


@pytest.mark.parametrize("phase", ["Refused", "Failed"])
def test_a_refusal_and_a_failure_end_with_the_operators_reason(phase: str) -> None:
    with pytest.raises(NotSo, match=f"{phase}: s0, .*: flights-s0-1 is 5 MB behind"):
        run(answer(phase, message="flights-s0-1 is 5 MB behind"))


def test_the_answer_to_an_earlier_request_is_not_taken_for_ours() -> None:
    done, told = run(answer("Done", request="old1"), answer("Failed", request="old2"), answer("Done"))
    assert done.startswith("Done")
    assert told == ["asked for s0/any/ab12; waiting for the operator"]


def test_an_answer_with_fields_that_are_absent_is_understood() -> None:
    done, _ = run(lambda kube: kube.set_status(PATH, {"switchover": {"request": "ab12", "phase": "Done"}}))
    assert done == "Done: s0, - -> -"


def test_a_phase_of_a_newer_operator_is_told_and_waited_for() -> None:
    done, told = run(answer("CatchingUp"), answer("Done"))
    assert done.startswith("Done")
    assert told[1].startswith("CatchingUp")


def test_an_annotation_that_the_operator_takes_away_is_no_replacement() -> None:
    def take_away(kube: FakeKube) -> None:
        kube.merge_patch(PATH, {"metadata": {"annotations": {ANNOTATION: None}}})

    assert run(take_away, answer("Done"))[0].startswith("Done")


def test_a_request_that_another_has_replaced_says_so() -> None:
    def replace(kube: FakeKube) -> None:
        kube.merge_patch(PATH, {"metadata": {"annotations": {ANNOTATION: "s1/any/cd34"}}})

    with pytest.raises(NotSo, match=r"another request \(s1/any/cd34\) has replaced this one"):
        run(replace)


def test_without_an_answer_it_asks_the_right_questions_and_tells_how_to_take_the_request_back() -> None:
    with pytest.raises(NotSo) as refused:
        run(timeout_seconds=2)
    for part in (
        "has not answered within 2s",
        "no operator is installed in this cluster",
        "kubectl annotate sdb flights -n demo caisson.dev/switchover-",
    ):
        assert part in str(refused.value)


def test_what_is_under_way_at_the_end_of_our_patience_goes_on() -> None:
    with pytest.raises(NotSo, match=r"not done after 2s \(it is Running\); it goes on"):
        run(answer("Running"), timeout_seconds=2)


def test_an_api_server_that_is_away_for_a_moment_is_told_and_waited_for() -> None:
    def break_off(kube: FakeKube) -> None:
        kube.broken["shardeddatabases"] = Unreachable("no answer")

    def come_back(kube: FakeKube) -> None:
        kube.broken.clear()
        answer("Done")(kube)

    done, told = run(break_off, come_back)
    assert done.startswith("Done")
    assert told[1] == "no answer; the request stands, looking again"


def test_an_api_server_that_stays_away_is_what_the_error_tells() -> None:
    def break_off(kube: FakeKube) -> None:
        kube.broken["/apis/"] = Unreachable("no answer from the API server")

    with pytest.raises(NotSo, match="has not answered within 2s: no answer from the API server"):
        run(break_off, timeout_seconds=2)


def test_who_may_not_see_deployments_is_told_whom_to_ask() -> None:
    def close(kube: FakeKube) -> None:
        kube.forbidden.add("/deployments")

    with pytest.raises(NotSo, match="whether the operator runs is not yours to see"):
        run(close, timeout_seconds=2)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("demo", "flights", "s9", None, "x"), "flights has no shard s9: it has s0, s1"),
        (Request("demo", "flights", "s0", "flights-s0-0", "x"), "flights-s0-0 is the primary of s0 already"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(request_: Request, says: str) -> None:
    kube = serve()
    with pytest.raises(NotSo, match=says):
        ask(kube, request_)
    assert annotation(kube) is None


def test_a_second_request_waits_for_the_first_to_end() -> None:
    kube = serve()
    ask(kube, Request("demo", "flights", "s1", None, "cd34"))
    answer("Running", request="cd34", shard="s1")(kube)
    with pytest.raises(NotSo, match="a switchover of s1 is under way"):
        ask(kube, OURS)
    answer("Done", request="cd34", shard="s1")(kube)
    ask(kube, OURS)
    assert annotation(kube) == "s0/any/ab12"


def test_a_database_without_a_status_may_be_asked() -> None:
    manifest = build_database()
    del manifest["status"]
    kube = serve(manifest)
    ask(kube, OURS)
    assert annotation(kube) == OURS.text


def deployment(watched: str | None, ready: int = 2) -> dict[str, Any]:
    env = [{"name": "CAISSON_NAMESPACE", "valueFrom": {}}]
    env += [{"name": "CAISSON_WATCH_NAMESPACES", "value": watched}] if watched is not None else []
    return {
        "metadata": {"namespace": "caisson-system"},
        "spec": {"template": {"spec": {"containers": [{"name": "operator", "env": env}]}}},
        "status": {"readyReplicas": ready},
    }


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "no operator is installed"),
        (
            [deployment("other,third")],
            "no operator watches namespace demo: the one in caisson-system watches other,third",
        ),
        ([deployment("demo", ready=0)], "the operator in caisson-system has no ready replica"),
        ([deployment("other,demo")], "runs; its log may say more"),
        ([deployment("*")], "runs; its log may say more"),
        ([deployment(None)], "runs; its log may say more"),
    ],
)
def test_silence_is_explained_by_what_the_deployment_says(found: list[dict[str, Any]], says: str) -> None:
    assert says in describe_releases([read_release(entry) for entry in found], "demo")
