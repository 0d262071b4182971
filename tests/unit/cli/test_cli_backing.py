"""`backing`: findings, the leader and the members of a BackingCluster; and which conditions are findings at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.core.conditions import BAD_WHEN_TRUE, ConditionType
from fakes.kube_objects import FakeKube
from kubectl_caisson import findings
from kubectl_caisson.__main__ import main
from kubectl_caisson.backing import render_cluster
from kubectl_caisson.connection import Connection

NOW = datetime(2026, 11, 27, 12, 1, tzinfo=UTC)
CONDITIONS = [
    {"type": "Ready", "status": "True", "reason": "Serving"},
    {"type": "LeaderLost", "status": "False", "reason": "Leads"},
    {"type": "Updating", "status": "False", "reason": "AsWanted"},
]
MEMBERS = [
    {"name": "locks-0", "role": "primary", "ready": True, "updated": True, "epoch": 4},
    {
        "name": "locks-1",
        "role": "replica",
        "ready": False,
        "updated": True,
        "message": "its link to the primary is down",
    },
]
STATUS = {
    "phase": "Ready",
    "readyMembers": 1,
    "leader": "locks-0",
    "leaderSince": "2026-11-27T12:00:00Z",
    "conditions": CONDITIONS,
    "members": MEMBERS,
}


def cluster(**changed: Any) -> dict[str, Any]:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "BackingCluster",
        "metadata": {"name": "locks", "namespace": "demo"},
        "spec": {"type": "redis", "topology": "replicated", "members": 3},
        "status": {**STATUS, **changed},
    }


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def type_in(*words: str, found: dict[str, Any] | None = None) -> tuple[int, str, str]:
        kube = FakeKube()
        if found:
            kube.put(found)
        code = main(("backing", *words), lambda target: Connection(kube, target.namespace or "demo"))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


def test_members_are_shown_with_role_and_health() -> None:
    assert render_cluster(cluster(), NOW) == [
        "demo/locks (redis replicated): Ready, 1 of 3 members serve",
        "    led by locks-0, seen to lead for 1m",
        "",
        "  MEMBER    ROLE      READY   UPDATED   EPOCH   MESSAGE",
        "  locks-0   primary   yes     yes       4       -",
        "  locks-1   replica   no      yes       -       its link to the primary is down",
    ]


def test_what_is_wrong_comes_first_and_who_led_last_is_told() -> None:
    lost = {"type": "LeaderLost", "status": "True", "reason": "NoPrimary", "message": "no primary answers"}
    shown = render_cluster(cluster(conditions=[lost], leader=None, lastLeader="locks-0", members=[]), NOW)
    assert shown[1:] == ["  ! LeaderLost is True: NoPrimary: no primary answers", "    no leader; locks-0 led last"]


def test_one_that_nobody_has_looked_at_says_so() -> None:
    manifest = {**cluster(), "status": None}
    assert render_cluster(manifest, NOW) == ["demo/locks: the operator has not looked at it yet"]


def test_all_of_a_namespace_or_one_and_for_programs(run: Run) -> None:
    assert run(found=cluster())[1].startswith("demo/locks (redis replicated)")
    code, told, _ = run("locks", "-o", "json", found=cluster())
    assert code == 0
    assert json.loads(told)[0]["status"]["members"] == MEMBERS


def test_a_namespace_without_any_says_where_to_look(run: Run) -> None:
    code, told, error = run()
    assert (code, told) == (1, "")
    assert "there is no BackingCluster in namespace demo" in error
    assert "kubectl get backing --all-namespaces" in error


def test_the_plugin_knows_every_condition_of_the_operator_and_takes_it_alike() -> None:
    known = findings.GOOD_WHEN_TRUE | findings.GOOD_WHEN_FALSE | findings.NEITHER
    assert known == set(ConditionType)
    assert findings.GOOD_WHEN_FALSE == BAD_WHEN_TRUE
