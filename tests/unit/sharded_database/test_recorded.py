"""The earlier status is a cache that anybody may have written: what is understood is taken, and nothing else stops us."""

from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.api.failover_status import SwitchoverPhase
from caisson_operator.api.resource import load_sharded_database
from caisson_operator.sharded_database.recorded import Recorded, read_recorded

FAILOVER = {"shard": "s0", "at": "2026-01-01T11:59:57Z", "from": "a", "to": "b", "timelineBefore": 1}
SWITCHOVER = {
    "request": "7f3a",
    "shard": "s0",
    "from": "a",
    "to": "b",
    "phase": "Running",
    "at": "2026-01-01T12:00:00Z",
}
LEADER = {"member": "a", "timeline": 1, "heardAt": "2026-01-01T12:00:00.250000Z", "requested": True}


def test_reads_what_it_has_written() -> None:
    since = "2026-01-01T12:00:00Z"
    shard = {"name": "s0", "members": 2, "leader": LEADER, "unprotectedSince": since}
    found = read_recorded({"failovers": [FAILOVER], "switchover": SWITCHOVER, "shards": [shard, {"name": "s1"}]})
    assert [entry.key for entry in found.failovers] == [("s0", 1)]
    assert found.switchover is not None
    assert (found.switchover.phase, found.switchover.to_member) == (SwitchoverPhase.RUNNING, "b")
    assert set(found.leaders) == {"s0"}
    assert (found.leaders["s0"].is_requested, found.leaders["s0"].member) == (True, "a")
    assert found.unprotected_since == {"s0": datetime(2026, 1, 1, 12, tzinfo=UTC)}


@pytest.mark.parametrize(
    "status", [{}, {"phase": "Ready"}, {"failovers": [{}, 7, {"shard": "s0"}], "shards": [{"leader": 7}]}]
)
def test_what_cannot_be_understood_counts_as_not_said(status: dict[str, Any]) -> None:
    assert read_recorded(status) == Recorded()


def test_fields_of_a_later_version_are_left_aside() -> None:
    found = read_recorded({"failovers": [{**FAILOVER, "colour": "red"}], "switchover": {**SWITCHOVER, "mood": 7}})
    assert len(found.failovers) == 1
    assert found.switchover is not None
    assert found.switchover.phase is SwitchoverPhase.RUNNING


def test_a_request_that_another_version_speaks_of_is_over_and_not_run_again() -> None:
    found = read_recorded({"switchover": {**SWITCHOVER, "phase": "Rehearsing"}}).switchover
    assert found is not None
    assert (found.request, found.shard, found.phase) == ("7f3a", "s0", SwitchoverPhase.FAILED)


def test_a_status_that_nobody_understands_makes_no_resource_invalid() -> None:
    manifest = {
        "metadata": {"name": "flights", "namespace": "demo", "uid": "0"},
        "spec": {"storage": {"size": "1Gi"}},
        "status": {"phase": "Sleeping", "later": {"than": "us"}},
    }
    assert load_sharded_database(manifest).status == manifest["status"]
