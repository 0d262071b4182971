"""A shard under traffic: its leader is moved on request, then killed. The status tells both, and nothing is lost.

The tests build on each other, since what they prove together is one history that the checker accepts at the end.
"""

import json
import time
from typing import Any

import pytest

from demo.cluster import get, get_all, kubectl, wait_for
from demo.database import Primary
from demo.release import Images
from e2e.scene import Scene, set_up_shard

NAMESPACE = "e2e-failover"
SHARD = "s0"
ROWS = 5_000
ANNOTATION = "caisson.dev/switchover"
SWITCHOVER_SECONDS = 60
WRITES = 500


@pytest.fixture(scope="module")
def scene(namespace: str, images: Images) -> Scene:
    return set_up_shard(namespace, images.flights, ROWS, writes_per_second=80)


def ask(scene: Scene, request: str) -> None:
    kubectl(
        "annotate",
        "sdb",
        scene.database.name,
        "--overwrite",
        f"{ANNOTATION}={request}",
        namespace=scene.database.namespace,
    )


def wait_answer(scene: Scene, request: str, *phases: str) -> dict[str, Any]:
    """What became of the request with this id, once it has come to one of these phases."""

    def answered() -> dict[str, Any] | None:
        told: dict[str, Any] = scene.database.status().get("switchover") or {}
        return told if told.get("request") == request and told["phase"] in phases else None

    return wait_for(f"{request} to be {phases}", answered, SWITCHOVER_SECONDS, scene.database.explain)


def wait_failover(scene: Scene, timeline_before: int) -> dict[str, Any]:
    """The entry of the history with which this timeline ended."""

    def told() -> dict[str, Any] | None:
        entries = scene.database.status().get("failovers", [])
        return next((entry for entry in entries if entry["timelineBefore"] == timeline_before), None)

    return wait_for(f"the end of timeline {timeline_before}", told, SWITCHOVER_SECONDS, scene.database.explain)


def steady(scene: Scene) -> Primary:
    """The leader, once its synchronous standby is there and the status says so."""
    before = scene.database.wait_primary(SHARD, 60)
    standby = scene.database.wait_standby(SHARD, before, 60)

    def is_told() -> bool:
        (shard,) = scene.database.status()["shards"]
        leader = shard.get("leader", {})
        told = (leader.get("member"), leader.get("timeline"), leader.get("synchronousStandby"))
        return told == (before.pod, before.timeline, standby)

    wait_for("the status to tell of the leader and its standby", is_told, 90, scene.database.explain)
    return before


def events(scene: Scene, action: str) -> list[str]:
    found = get_all("events.events.k8s.io", scene.database.namespace)
    return [event["reason"] for event in found if event.get("action") == action]


def test_a_switchover_that_was_asked_for_is_done_and_told(scene: Scene) -> None:
    database = scene.database
    before = steady(scene)
    ask(scene, f"{SHARD}/any/first")
    answer = wait_answer(scene, "first", "Done", "Failed", "Refused")
    assert (answer["phase"], answer["shard"], answer["from"]) == ("Done", SHARD, before.pod), answer
    after = database.wait_primary(SHARD, 60, lambda seen: seen.timeline > before.timeline)
    assert after.pod == answer["to"] != before.pod
    entry = wait_failover(scene, before.timeline)
    told = {name: entry.get(name) for name in ("shard", "from", "to", "timelineAfter", "cause", "lost")}
    assert told == {
        "shard": SHARD, "from": before.pod, "to": after.pod, "timelineAfter": after.timeline,
        "cause": "Switchover", "lost": "none",
    }  # fmt: skip
    scene.application.wait_writes(WRITES, 60)
    wait_for("an Event", lambda: "Switchover" in events(scene, "Failover"), 30, database.explain)


def test_the_same_request_is_not_run_again(scene: Scene) -> None:
    """Another one is, and is refused: whatever came before it is settled by then."""
    leader = steady(scene)
    ask(scene, f"{SHARD}/any/first")
    ask(scene, f"{SHARD}/{leader.pod}/second")
    answer = wait_answer(scene, "second", "Done", "Failed", "Refused")
    assert (answer["phase"], "leads s0 already" in answer["message"]) == ("Refused", True), answer
    ask(scene, "nonsense")
    refused = wait_answer(scene, "nonsense", "Refused")
    assert "SHARD/MEMBER/REQUEST" in refused["message"]
    assert scene.database.wait_primary(SHARD, 60) == leader


def settings(scene: Scene) -> dict[str, Any]:
    """What the shard's Patroni runs with."""
    kept = get("endpoints", f"{scene.database.name}-{SHARD}-config", scene.database.namespace) or {}
    found: dict[str, Any] = json.loads(kept["metadata"]["annotations"]["config"])
    return found


def set_timings(scene: Scene, failover: dict[str, int] | None) -> None:
    patch = json.dumps({"spec": {"failover": failover}})
    kubectl("patch", "sdb", scene.database.name, "--type=merge", "-p", patch, namespace=scene.database.namespace)


def test_timings_reach_patroni_and_go_back_and_nobody_loses_the_lead_over_it(scene: Scene) -> None:
    before, made = steady(scene), settings(scene)
    set_timings(scene, {"ttlSeconds": 30, "loopWaitSeconds": 2, "retryTimeoutSeconds": 10})
    asked = {"ttl": 30, "loop_wait": 2, "retry_timeout": 10}
    wait_for("the timings", lambda: settings(scene).items() >= asked.items(), 60, scene.database.explain)
    scene.application.wait_writes(WRITES, 60)
    set_timings(scene, None)
    wait_for("the timings of before", lambda: settings(scene) == made, 60, scene.database.explain)
    scene.application.wait_writes(WRITES, 60)
    assert steady(scene) == before


def test_a_primary_that_was_killed_is_told_as_lost(scene: Scene) -> None:
    database = scene.database
    before = steady(scene)
    killed_at = database.kill(before)
    after = database.wait_primary(SHARD, 60, lambda seen: seen.timeline > before.timeline)
    scene.losses.append((SHARD, killed_at))
    entry = wait_failover(scene, before.timeline)
    assert (entry["from"], entry["to"]) == (before.pod, after.pod)
    expected = "PrimaryRestarted" if after.pod == before.pod else "PrimaryLost"
    assert (entry.get("cause"), entry.get("lost")) == (expected, "none"), entry
    scene.application.wait_writes(WRITES, 60)
    causes = [told.get("cause") for told in database.status()["failovers"]]
    assert causes == [expected, "Switchover"]


def signal_all(scene: Scene, pod: str, signal: str) -> None:
    """Every process of the member, the agent included, but each container's first, which only waits."""
    for container in ("postgresql", "early-expiry"):
        command = ("bash", "-c", f"kill -{signal} -1")
        kubectl("exec", pod, "--container", container, "--", *command, namespace=scene.database.namespace)


def test_a_primary_that_hangs_is_followed_by_its_standby_and_joins_it_when_it_wakes(scene: Scene) -> None:
    """It still takes connections, its kernel does, and says neither yes nor no. The standby's agent ends its lead."""
    database = scene.database
    before = steady(scene)
    standby = database.wait_standby(SHARD, before, 60)
    signal_all(scene, before.pod, "STOP")
    hung_at = time.time()
    try:
        after = database.wait_primary(SHARD, 90, lambda seen: seen.timeline > before.timeline)
        scene.losses.append((SHARD, hung_at))
        scene.application.wait_writes(WRITES, 60)
    finally:
        signal_all(scene, before.pod, "CONT")
    assert after.pod == standby
    told = kubectl("logs", standby, "--container", "early-expiry", namespace=database.namespace)
    assert "leader_expired" in told, told
    assert database.wait_standby(SHARD, after, 120) == before.pod


def test_a_status_that_was_deleted_comes_back_as_far_as_the_history_tells(scene: Scene) -> None:
    database = scene.database
    before = database.status()["failovers"]
    patch = '[{"op": "remove", "path": "/status"}]'
    kubectl(
        "patch", "sdb", database.name, "--subresource=status", "--type=json", "-p", patch, namespace=database.namespace
    )
    after = wait_for("the history", lambda: database.status().get("failovers"), 90, database.explain)
    assert [entry["timelineBefore"] for entry in after] == [entry["timelineBefore"] for entry in before]
    for then, now in zip(before, after, strict=True):
        assert now.items() <= then.items()


def test_nothing_was_lost_doubled_or_stale_in_all_that_time(scene: Scene) -> None:
    assert scene.check(ROWS)["writes_acknowledged"] > WRITES
