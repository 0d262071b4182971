"""The frame around a room, with a room and an API server made of plain Python."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.api.failover_status import FailoverCause, FailoverStatus
from caisson_operator.api.sharded_database_status import ShardedDatabaseStatus
from caisson_operator.api.status import Condition
from caisson_operator.core.conditions import ConditionStatus
from caisson_operator.core.decisions import Decision, HeldUp, Plan, Refuse, Refused, Settled, Step, Wait
from caisson_operator.core.news import News
from caisson_operator.effects.kube import KubeError, ObjectRef
from caisson_operator.reconcile import Key, Reconciler
from caisson_operator.sharded_database.kind import SHARDED_DATABASE as KIND
from caisson_operator.telemetry.metrics import Metrics

KEY = Key("ShardedDatabase", "demo", "flights")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Count(Step):
    """Raise the world's number, or raise the error instead."""

    error: Exception | None = None


@dataclass
class Room:
    """Wants the number at `wanted`; tells what it has seen in its status."""

    wanted: int = 1
    number: int = 0
    step: Count = field(default_factory=Count)
    decision: Decision | None = None
    decisions: list[Decision] = field(default_factory=list)

    async def observe(self, resource: Any) -> int:
        return self.number

    def decide(self, resource: Any, observed: int) -> Decision:
        if self.decision is not None:
            return self.decision
        return Settled() if observed >= self.wanted else Plan((self.step, self.step), "Counting", "counting up")

    async def act(self, resource: Any, step: Step) -> None:
        assert isinstance(step, Count)
        if step.error is not None:
            raise step.error
        self.number += 1

    def build_status(self, resource: Any, observed: int, decision: Decision) -> ShardedDatabaseStatus:
        self.decisions.append(decision)
        is_ready = ConditionStatus.TRUE if observed >= self.wanted else ConditionStatus.FALSE
        return ShardedDatabaseStatus(
            shard_count=observed, conditions=(Condition(type="Ready", status=is_ready, reason="Counted"),)
        )

    async def close(self) -> None:
        """Nothing is held open."""


@dataclass
class Kube:
    """One object; remembers what was written. `fail` may refuse a status."""

    manifest: dict[str, Any] | None
    statuses: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    fail: Callable[[], None] = lambda: None

    async def get(self, ref: ObjectRef) -> dict[str, Any] | None:
        assert ref == ObjectRef("caisson.dev/v1alpha1", "ShardedDatabase", "demo", "flights")
        return self.manifest

    async def apply_status(self, manifest: dict[str, Any]) -> None:
        self.fail()
        assert self.manifest is not None
        self.statuses.append(manifest["status"])
        self.manifest = {**self.manifest, "status": manifest["status"]}

    async def create(self, manifest: dict[str, Any]) -> None:
        self.events.append(manifest)


def database(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "ShardedDatabase",
        "metadata": {"name": "flights", "namespace": "demo", "uid": "u", "generation": 7},
        "spec": {"storage": {"size": "1Gi"}, **spec},
    }


def frame(kube: Kube, room: Room, metrics: Metrics | None = None) -> Reconciler[Any, int]:
    return Reconciler(KIND, room, kube, metrics or Metrics(), "pod-1", lambda: NOW)  # type: ignore[arg-type]


def conditions(kube: Kube) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in kube.statuses[-1]["conditions"]}


@pytest.mark.asyncio
async def test_runs_the_plan_observes_again_and_comes_back_at_once() -> None:
    kube, room = Kube(database()), Room(wanted=2)
    assert await frame(kube, room).reconcile(KEY) == 0.0
    assert room.number == 2
    assert kube.statuses[-1]["shardCount"] == 2
    assert kube.statuses[-1]["observedGeneration"] == 7
    ready = conditions(kube)["Ready"]
    assert (ready["observedGeneration"], ready["lastTransitionTime"]) == (7, "2026-01-01T00:00:00Z")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("decision", "again_after"),
    [(Wait("Switching", "between groups", 0.2), 0.2), (Refuse("NoKey", "no key"), None), (Settled(), None)],
)
async def test_comes_back_when_the_decision_says(decision: Decision, again_after: float | None) -> None:
    assert await frame(Kube(database()), Room(decision=decision)).reconcile(KEY) == again_after


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "decision", "again_after"),
    [
        (HeldUp("LongTransaction", "waits for one", 0.3), Wait("LongTransaction", "waits for one", 0.3), 0.3),
        (Refused("MigrationFailed", "42601"), Refuse("MigrationFailed", "42601"), None),
    ],
)
async def test_a_step_that_lets_go_is_a_decision_and_no_failure(
    error: Exception, decision: Decision, again_after: float | None
) -> None:
    room = Room(step=Count(error))
    assert await frame(Kube(database()), room).reconcile(KEY) == again_after
    assert room.decisions == [decision]


@pytest.mark.asyncio
async def test_the_status_is_written_once_and_not_again_while_it_is_the_same() -> None:
    kube, room = Kube(database()), Room()
    reconciler = frame(kube, room)
    for _ in range(3):
        await reconciler.reconcile(KEY)
    assert len(kube.statuses) == 1
    assert [event["reason"] for event in kube.events] == ["Counted"]
    assert kube.events[0]["regarding"]["uid"] == "u"


def tells_number(earlier: Any, status: Any) -> list[News]:
    before, now = earlier.get("shardCount", 0), status["shardCount"]
    return [News("Count", "Counted", f"{before} to {now}", is_warning=True)] if before != now else []


@pytest.mark.asyncio
async def test_what_is_new_in_a_status_beside_its_conditions_becomes_an_event_once() -> None:
    kube, room = Kube(database()), Room()
    kind = replace(KIND, find_news=tells_number)
    reconciler: Reconciler[Any, int] = Reconciler(kind, room, kube, Metrics(), "pod-1", lambda: NOW)  # type: ignore[arg-type]
    for _ in range(3):
        await reconciler.reconcile(KEY)
    found = [(event["action"], event["type"], event["note"]) for event in kube.events if event["action"] == "Count"]
    assert found == [("Count", "Warning", "0 to 2")]


@pytest.mark.asyncio
async def test_news_of_a_status_that_could_not_be_written_are_told_when_it_is() -> None:
    metrics, kube, room = Metrics(), Kube(database()), Failing()
    await frame(kube, room, metrics).reconcile(KEY)
    for attempt in ("refused", "written", "same"):
        kube.fail = refuse_status if attempt == "refused" else lambda: None
        with contextlib.suppress(KubeError):
            await frame(kube, room, metrics).reconcile(KEY)
    labels = {"database": "demo/flights", "shard": "s0", "reason": "PrimaryLost"}
    assert metrics.registry.get_sample_value("caisson_failover_total", labels) == 1
    assert [event["note"] for event in kube.events if event["action"] == "Failover"] == [
        "s0 changed its leader from a to b in 2.5 s (timeline 1 to 2); lost: none"
    ]


@pytest.mark.asyncio
async def test_an_operator_that_takes_over_tells_the_time_of_a_failover_in_its_first_reconcile() -> None:
    kube, taken_over = Kube(database()), Metrics()
    await frame(kube, Failing(), Metrics()).reconcile(KEY)
    await frame(kube, Failing(), taken_over).reconcile(KEY)
    labels = {"database": "demo/flights", "shard": "s0", "reason": "PrimaryLost"}
    assert taken_over.registry.get_sample_value("caisson_failover_last_time_seconds", labels) == NOW.timestamp()
    counted = taken_over.registry.get_sample_value("caisson_failover_total", labels)
    assert counted == 1, "the control: nobody has seen it at 0"


def refuse_status() -> None:
    raise KubeError(500, "etcd is gone")


@dataclass
class Failing(Room):
    """Tells of a failover, to a status that knew of none."""

    def build_status(self, resource: Any, observed: int, decision: Decision) -> ShardedDatabaseStatus:
        blocked = Condition(type="FailoverBlocked", status=ConditionStatus.FALSE, reason="NotBlocked")
        entry = FailoverStatus(
            shard="s0", at=NOW, from_member="a", to_member="b", timeline_before=1, timeline_after=2,
            duration_seconds=2.5, cause=FailoverCause.PRIMARY_LOST, lost="none",
        )  # fmt: skip
        is_first = not resource.status
        return ShardedDatabaseStatus(conditions=(blocked,), failovers=() if is_first else (entry,))


@pytest.mark.asyncio
async def test_a_deleted_status_is_written_again_as_it_was() -> None:
    kube, room = Kube(database()), Room()
    reconciler = frame(kube, room)
    await reconciler.reconcile(KEY)
    await reconciler.reconcile(KEY)
    kube.manifest = database()
    await reconciler.reconcile(KEY)
    assert kube.statuses[0] == kube.statuses[-1]
    assert len(kube.statuses) == 2


@pytest.mark.asyncio
async def test_a_failure_is_told_without_its_password_counted_and_raised_on() -> None:
    metrics, kube = Metrics(), Kube(database())
    room = Room(step=Count(RuntimeError("cannot connect: password=hunter2")))
    with pytest.raises(RuntimeError):
        await frame(kube, room, metrics).reconcile(KEY)
    degraded = conditions(kube)["Degraded"]
    assert (degraded["status"], degraded["reason"]) == ("True", "ReconcileFailed")
    assert "hunter2" not in repr(kube.statuses)
    labels = {"kind": "ShardedDatabase", "result": "error"}
    assert metrics.registry.get_sample_value("caisson_reconcile_total", labels) == 1


@pytest.mark.asyncio
async def test_the_first_failure_is_the_one_that_is_raised_even_if_the_status_cannot_be_written() -> None:
    def refuse() -> None:
        raise KubeError(500, "etcd is gone")

    with pytest.raises(RuntimeError, match="first"):
        await frame(Kube(database(), fail=refuse), Room(step=Count(RuntimeError("first")))).reconcile(KEY)


@pytest.mark.asyncio
async def test_a_resource_that_cannot_be_read_is_told_and_waits_for_its_next_change() -> None:
    kube = Kube(database(colour="red"))
    assert await frame(kube, Room()).reconcile(KEY) is None
    ready = conditions(kube)["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "SpecInvalid")
    assert "spec.colour" in ready["message"]


@pytest.mark.asyncio
@pytest.mark.parametrize("is_deleted", [True, False])
async def test_what_is_gone_or_going_is_left_alone(is_deleted: bool) -> None:
    manifest = None if is_deleted else database()
    if manifest is not None:
        manifest["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    kube, room = Kube(manifest), Room()
    assert await frame(kube, room).reconcile(KEY) is None
    assert (room.number, kube.statuses) == (0, [])
