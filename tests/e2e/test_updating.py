"""A shard under traffic: its members take over other resources one by one, and the node of its primary is drained.

The tests build on each other, since what they prove together is one history that the checker accepts at the end.
"""

import json
from typing import Any

import pytest

from demo.cluster import CommandFailedError, get, get_all, kubectl, wait_for
from demo.database import Primary
from demo.release import Images
from e2e.scene import Scene, set_up_shard
from e2e.shards import lose_volume
from faults.updates import UPDATE_SECONDS, change, drained, wait_updated

NAMESPACE = "e2e-update"
SHARD = "s0"
ROWS = 5_000
WRITES = 300


@pytest.fixture(scope="module")
def scene(namespace: str, images: Images) -> Scene:
    return set_up_shard(namespace, images.flights, ROWS, writes_per_second=80)


def steady(scene: Scene) -> Primary:
    """The leader, once every member is ready, up to date and protected."""
    database = scene.database
    wait_updated(database)
    before = database.wait_primary(SHARD, 60)
    database.wait_standby(SHARD, before, 60)
    return before


def members(scene: Scene) -> dict[str, dict[str, Any]]:
    labels = {"caisson.dev/database": scene.database.name, "caisson.dev/shard": SHARD}
    return {pod["metadata"]["name"]: pod for pod in get_all("pods", scene.database.namespace, labels)}


def find_failover(scene: Scene, timeline_before: int) -> dict[str, Any]:
    def told() -> dict[str, Any] | None:
        entries = scene.database.status().get("failovers", [])
        return next((entry for entry in entries if entry["timelineBefore"] == timeline_before), None)

    return wait_for(f"the end of timeline {timeline_before}", told, 60, scene.database.explain)


def test_other_resources_reach_every_member_by_one_switchover(scene: Scene) -> None:
    before, old = steady(scene), members(scene)
    change(scene.database, resources={"requests": {"memory": "160Mi"}})
    scene.database.wait_condition("Updating", "True", 60)
    after = steady(scene)
    new = members(scene)
    assert new.keys() == old.keys()
    for name, pod in new.items():
        assert pod["metadata"]["uid"] != old[name]["metadata"]["uid"]
        assert pod["spec"]["containers"][0]["resources"]["requests"]["memory"] == "160Mi"
    assert after.timeline == before.timeline + 1
    entry = find_failover(scene, before.timeline)
    assert (entry.get("cause"), entry.get("lost")) == ("Switchover", "none"), entry
    scene.application.wait_writes(WRITES, 60)


def show(scene: Scene, setting: str) -> set[str]:
    """What the servers of all members run with; empty while one of them starts."""
    command = ("psql", "-h", "/run/postgresql", "-U", "postgres", "-XAt", "-c", f"SHOW {setting}")
    try:
        return {kubectl("exec", pod, "--", *command, namespace=NAMESPACE).strip() for pod in members(scene)}
    except CommandFailedError:
        return set()


def test_a_parameter_that_the_server_would_not_take_reaches_no_member(scene: Scene) -> None:
    change(scene.database, parameters={"autovacuum_max_workers": "many"})
    told = scene.database.wait_condition("Degraded", "True", 60, "ParameterRefused")
    assert "autovacuum_max_workers is a number, not 'many'" in told["message"]
    scene.application.wait_writes(WRITES, 60)


def test_a_parameter_that_takes_a_restart_reaches_every_member_without_a_new_pod(scene: Scene) -> None:
    before, old = steady(scene), members(scene)
    change(scene.database, parameters={"autovacuum_max_workers": "4"})
    wait_for(
        "every member to run with it",
        lambda: show(scene, "autovacuum_max_workers") == {"4"},
        UPDATE_SECONDS,
        scene.database.explain,
    )
    assert steady(scene).timeline == before.timeline + 1
    assert {pod["metadata"]["uid"] for pod in members(scene).values()} == {
        pod["metadata"]["uid"] for pod in old.values()
    }
    scene.application.wait_writes(WRITES, 60)


def test_a_drain_ends_by_itself_and_the_primary_has_moved_before(scene: Scene) -> None:
    before = steady(scene)
    node = members(scene)[before.pod]["spec"]["nodeName"]
    with drained(scene.database, node):
        after = scene.database.wait_primary(SHARD, 60, lambda seen: seen.timeline > before.timeline)
        assert after.pod != before.pod
        entry = find_failover(scene, before.timeline)
        assert (entry.get("cause"), entry.get("lost")) == ("Switchover", "none"), entry
        scene.application.wait_writes(WRITES, 60)
    assert (get("node", node) or {})["spec"].get("unschedulable") is None
    assert steady(scene).timeline == before.timeline + 1


def test_a_primary_is_not_evicted_even_without_the_operator(scene: Scene) -> None:
    """Its budget refuses it: whoever drains waits, or asks for a switchover."""
    leader = steady(scene)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": leader.pod, "namespace": scene.database.namespace},
    }
    path = f"/api/v1/namespaces/{scene.database.namespace}/pods/{leader.pod}/eviction"
    with pytest.raises(Exception, match="disruption budget"):
        kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def test_a_standby_whose_volume_is_gone_begins_anew(scene: Scene) -> None:
    database, namespace = scene.database, scene.database.namespace
    change(scene.database, memberReplaceDelay="5s")
    leader = steady(scene)
    standby = database.wait_standby(SHARD, leader, 60)
    lost = lose_volume(database, standby)

    def is_anew() -> bool:
        found = get("pvc", f"data-{standby}", namespace) or {"metadata": {}}
        return found["metadata"].get("uid") not in (None, lost)

    wait_for("another claim", is_anew, UPDATE_SECONDS, database.explain)
    assert steady(scene) == leader
    database.wait_condition("MemberLost", "False", 60)
    assert database.wait_standby(SHARD, leader, 60) == standby


def test_nothing_was_lost_doubled_or_stale_in_all_that_time(scene: Scene) -> None:
    assert scene.check(ROWS)["writes_acknowledged"] > WRITES
