"""What Patroni keeps beside the Services is read as Patroni reads it, and nonsense counts as nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.sharded_database.manifests import ShardNames
from caisson_operator.sharded_database.observe import build_pod
from caisson_operator.sharded_database.patroni_state import (
    HistoryLine,
    MemberState,
    PatroniState,
    build_patroni_state,
    read_member_state,
)

NAMES = ShardNames("flights", "s0")
# As Patroni 4.1 writes them.
LEADER = {
    "leader": "flights-s0-1",
    "acquireTime": "2026-01-01T11:59:00.000001+00:00",
    "renewTime": "2026-01-01T12:00:00.5+00:00",
    "transitions": "3",
    "ttl": "20",
    "optime": "50331984",
}
HISTORY = '[[1,100,"no recovery target specified"],[2,200,"no recovery target specified","2026-01-01T11:59:01.25+00:00","flights-s0-1"]]'


def read(**kept: dict[str, str]) -> PatroniState:
    return build_patroni_state({name.replace("_", "-"): annotations for name, annotations in kept.items()}, NAMES)


def test_every_record_lands_in_its_place() -> None:
    state = read(
        flights_s0=LEADER,
        flights_s0_sync={"leader": "flights-s0-1", "sync_standby": "flights-s0-0, flights-s0-2"},
        flights_s0_config={"history": HISTORY},
        flights_s0_failover={"leader": "flights-s0-1", "member": "flights-s0-0"},
    )
    assert (state.leader, state.position) == ("flights-s0-1", 50331984)
    assert state.renewed_at == datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (state.sync_leader, state.sync_standbys) == ("flights-s0-1", ("flights-s0-0", "flights-s0-2"))
    promoted = HistoryLine(2, datetime(2026, 1, 1, 11, 59, 1, 250_000, tzinfo=UTC), "flights-s0-1")
    assert state.history == (HistoryLine(1), promoted)
    assert state.timeline == 3
    assert (state.asked_from, state.asked_to) == ("flights-s0-1", "flights-s0-0")
    assert state.is_asked_to_switch


def test_a_shard_that_never_failed_over_is_on_its_first_timeline() -> None:
    state = read()
    assert (state.timeline, state.history, state.leader, state.is_asked_to_switch) == (1, (), "", False)


def test_a_switchover_that_is_planned_for_later_is_not_under_way() -> None:
    planned = {"leader": "flights-s0-1", "member": "flights-s0-0", "scheduled_at": "2026-02-01T03:00:00+00:00"}
    assert not read(flights_s0_failover=planned).is_asked_to_switch


@pytest.mark.parametrize("text", ["", "[]", "no json", "7", '{"a": 1}', "[7]", "[[]]", '[["x", 1, "y"]]'])
def test_a_history_that_cannot_be_read_is_none(text: str) -> None:
    assert read(flights_s0_config={"history": text}).history == ()


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01T12:00:00", ""])
def test_a_time_that_cannot_be_placed_is_none(text: str) -> None:
    assert read(flights_s0={"renewTime": text}).renewed_at is None


def test_standbys_without_a_leader_have_nothing_of_anybody() -> None:
    assert read(flights_s0_sync={"sync_standby": "flights-s0-0"}).sync_standbys == ()


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ('{"state":"running","xlog_location":42}', MemberState("running", 42)),
        ('{"state":"start failed"}', MemberState("start failed", 0)),
        ("[]", MemberState()),
        ("no json", MemberState()),
        (None, MemberState()),
    ],
)
def test_a_member_tells_its_state_in_an_annotation(annotation: str | None, told: MemberState) -> None:
    assert read_member_state(annotation) == told


def manifest(ready: str = "True", containers: str = "True", **changes: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": containers}]
    status = {"conditions": conditions, "containerStatuses": [{"state": {"running": {}}}]}
    labels = {"caisson.dev/shard": "s0", "caisson.dev/role": "replica"}
    metadata = {"name": "p", "labels": labels, "annotations": {"status": json.dumps({"state": "running"})}}
    return {"metadata": {**metadata, **changes.get("metadata", {})}, "status": {**status, **changes.get("status", {})}}


@pytest.mark.parametrize(
    ("body", "is_ready", "is_running"),
    [
        (manifest(), True, True),
        # A standby whose primary is gone does not stream: it is not ready, and the very one that is promoted.
        (manifest(ready="False", containers="False"), False, True),
        # The node is not heard of: Kubernetes changes the condition Ready alone.
        (manifest(ready="False", containers="True"), False, False),
        (manifest("False", "False", status={"containerStatuses": [{"state": {"waiting": {}}}]}), False, False),
        (manifest("False", "False", status={"containerStatuses": []}), False, False),
        (manifest(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), True, False),
    ],
)
def test_a_pod_runs_while_its_container_does_on_a_node_that_is_heard_of(
    body: dict[str, Any], is_ready: bool, is_running: bool
) -> None:
    pod = build_pod(body)
    assert (pod.is_ready, pod.is_running, pod.told.state) == (is_ready, is_running, "running")
