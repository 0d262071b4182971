"""One database under traffic, expanded twice while its operator, its sources and its targets die: nothing is lost.

A source and a target are lost in every phase that moves rows. Copies are made one after the other, so that a phase lasts until the
next primary is lost: another shard's than before, since a shard whose standby is not back yet cannot lose it.
The tests build on each other, since what they prove together is one history that the checker accepts at the end.
"""

from collections.abc import Callable

import pytest

from demo.application import Application
from demo.cluster import get, kubectl, say, wait_for
from demo.database import Database, demo_spec
from demo.losing import lose_primary
from demo.release import SYSTEM_NAMESPACE, Images, leader, wait_for_leader
from demo.story import describe_expansion
from e2e.scene import Scene
from e2e.shards import count_groups, read_plan_state, read_source_timelines
from faults.moving import BOTH_WRITTEN

NAMESPACE = "e2e-move"
ROWS = 20_000
FIRST, SECOND = 1, 2
EXPANSION_SECONDS = 240


@pytest.fixture(scope="module")
def scene(namespace: str, images: Images) -> Scene:
    database, application = Database(namespace), Application(namespace, images.flights, ROWS)
    expansion = {"switchGroups": 3, "pauseBetweenGroups": "3s", "maxParallelCopies": 1}
    database.apply(demo_spec(shards=2, expansion=expansion))
    database.wait_ready(240, 2)
    application.load(120, say)
    application.start_traffic(90, "--writes-per-second", "120", "--reads-per-second", "60")
    return Scene(database, application)


def wait_phase(scene: Scene, expansion: int, *phases: str) -> None:
    """Until the status says that this expansion is in one of these phases."""
    scene.database.follow_expansion(
        lambda seen: seen.get("id") == expansion and seen.get("phase") in phases,
        EXPANSION_SECONDS,
        lambda seen: say(f"  {describe_expansion(seen)}"),
    )


def kill_leader() -> None:
    """At once and without a word; another replica must hold the Lease afterwards."""
    before = leader()
    assert before is not None
    pod = operator_pod(before)
    kubectl("delete", "pod", pod, "--force", "--grace-period=0", "--wait=false", namespace=SYSTEM_NAMESPACE)
    after = wait_for_leader(other_than=before, seconds=60)
    assert after != before


def operator_pod(holder: str) -> str:
    """A holder is named after its pod, with something that tells its processes apart."""
    name = holder.split("_")[0]
    assert get("pod", name, SYSTEM_NAMESPACE) is not None, f"the Lease's holder {holder} is not a pod"
    return name


def lose(scene: Scene, expansion: int, shard: str, *phases: str, is_time: Callable[[], bool] = lambda: True) -> None:
    """In one of these phases: it is waited for right before the kill. Another member leads, or another pod of the same name: who
    was killed does not come back."""
    database = scene.database

    def wait() -> None:
        wait_phase(scene, expansion, *phases)
        wait_for(f"the time to lose {shard}", is_time, EXPANSION_SECONDS, database.explain, poll_seconds=0.1)

    failover = lose_primary(database, shard, wait, lambda: say(f"  killed in {database.expansion().get('phase')}"))
    assert failover.after.uid != failover.before.uid
    scene.losses.append((shard, failover.killed_at))


def test_resumes_when_the_operator_dies_while_copying_and_while_switching_and_a_target_in_between(
    scene: Scene,
) -> None:
    database = scene.database
    database.scale(3)
    wait_phase(scene, FIRST, "Copying")
    groups = count_groups(database, ["s0", "s1", "s2"], FIRST)
    assert read_plan_state(database, FIRST) == "Running"
    assert groups.unverified > 0
    assert groups.switched == 0
    kill_leader()
    lose(scene, FIRST, "s2", "Copying")
    wait_for(
        "a switch", lambda: count_groups(database, ["s2"], FIRST).switched > 0, EXPANSION_SECONDS, database.explain
    )
    groups = count_groups(database, ["s2"], FIRST)
    assert database.expansion()["phase"] == "Switching"
    assert groups.unswitched > 0
    kill_leader()
    wait_phase(scene, FIRST, "Completed")
    assert read_plan_state(database, FIRST) == "Completed"


def test_copies_again_when_a_source_fails_over_while_copying(scene: Scene) -> None:
    database = scene.database
    database.scale(4)
    lose(scene, SECOND, "s0", "Copying", is_time=lambda: read_begun(database))


def test_goes_on_when_a_target_and_a_source_fail_over_while_both_sides_are_written(scene: Scene) -> None:
    """The target first: what is copied again for it gives the source its time."""
    lose(scene, SECOND, "s3", *BOTH_WRITTEN)
    lose(scene, SECOND, "s2", *BOTH_WRITTEN)


def test_goes_on_when_a_source_and_a_target_fail_over_while_switching(scene: Scene) -> None:
    """One after the other, and between the groups that are switched and those that are not."""
    database = scene.database
    lose(scene, SECOND, "s1", "Switching")
    lose(scene, SECOND, "s3", "Switching")
    wait_phase(scene, SECOND, "Completed")
    assert read_source_timelines(database, ["s3"], SECOND, "s0") == {database.wait_primary("s0", 60).timeline}
    scene.application.wait_writes(1_000, 60)


def read_begun(database: Database) -> bool:
    return bool(read_source_timelines(database, ["s3"], SECOND, "s0"))


def test_nothing_was_lost_doubled_or_stale_in_all_that_time(scene: Scene) -> None:
    report = scene.check(ROWS)
    assert report["shards"] == ["s0", "s1", "s2", "s3"]
    assert report["writes_acknowledged"] > 1_000
    assert report["buckets_moved"] >= 32
    # A target may own nothing yet when it is killed; then there is no silence to be measured.
    silent = {failover["shard"] for failover in report["failovers"] if failover["seconds"] is not None}
    assert silent >= {"s0", "s1", "s2"}
