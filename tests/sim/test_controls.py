"""The checker is not blind: switch one guard off, let the same things happen, and it finds the loss."""

from dataclasses import replace

import pytest

from caisson_operator.core.decisions import Decision, Plan, Settled
from caisson_operator.sharded_database import decide as decisions
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.switch_groups import GroupView
from caisson_operator.sharded_database.wanted import Wanted
from fakes.access import Guards

from .invariants import (
    AcknowledgedRowsLost,
    EpochFell,
    LeftBehind,
    NoWayForward,
    StaleReadAccepted,
    TwoShardsAcceptWrites,
    Violation,
)
from .leader import Decide, Leader
from .simulation import EVENTS, Simulation, each_moment, has_standbys
from .storm import storm
from .world import World

STORMS = 12


def find(event: str, guards: Guards | None = None, confirm_every: int = 1) -> set[type[Violation]]:
    """What the checker finds when `event` strikes at each moment of an expansion, one moment at a time."""
    found = set()
    trunk = Simulation.of(1, 2, buckets=2, guards=guards)
    trunk.confirm_every = confirm_every
    for sim in each_moment(trunk):
        if has_standbys(sim):
            try:
                EVENTS[event](sim)
                sim.run()
            except Violation as violation:
                found.add(type(violation))
    return found


def reorder(*order: type[steps.OnGroup]) -> Decide:
    """A machine that switches in another order than ours."""

    def decide_wrongly(wanted: Wanted, observed: Observed) -> Decision:
        decision = decide(wanted, observed)
        if isinstance(decision, Plan) and isinstance(fence := decision.steps[0], steps.Fence):
            return replace(decision, steps=tuple(kind(fence.group) for kind in order))
        return decision

    return decide_wrongly


def wake_after_the_end(guards: Guards) -> set[type[Violation]]:
    """A leader falls asleep at each moment, its successor completes, and then it goes on with what it had planned."""
    found = set()
    for moment in range(60):
        sim = Simulation.of(1, 2, buckets=2, guards=guards)
        for _ in range(moment):
            sim.tick()
        sleeper = sim.leader
        sim.leader = Leader(sim.shards, sleeper.wanted, sleeper.term + 1)
        sim.run()
        try:
            while sleeper.plan or sleeper.effect:
                sleeper.advance()
            sim.checker.check_end()
        except Violation as violation:
            found.add(type(violation))
    return found


@pytest.mark.parametrize("seed", range(STORMS))
def test_nothing_is_lost_in_a_storm(seed: int) -> None:
    storm(World(Simulation.of(1, 2)), seed)


def run_lagging(guards: Guards) -> None:
    sim = Simulation.of(1, 2, guards=guards)
    sim.is_lagging = True
    sim.run()


def test_without_tombstone_and_gates_two_shards_accept_writes() -> None:
    """Each alone keeps out a client that checks; the tombstone also one that does not, which this simulation has none of."""
    with pytest.raises(TwoShardsAcceptWrites):
        run_lagging(Guards(has_tombstone=False, has_gates=False))


@pytest.mark.parametrize("guards", [Guards(), Guards(has_tombstone=False)])
def test_with_either_a_target_that_lags_loses_nothing(guards: Guards) -> None:
    run_lagging(guards)


@pytest.mark.parametrize("confirm_every", [1, 5])
def test_with_the_durable_write_a_failover_of_the_target_loses_nothing(confirm_every: int) -> None:
    assert not find("target fails over", confirm_every=confirm_every)


@pytest.mark.parametrize(("confirm_every", "finding"), [(1, NoWayForward), (5, AcknowledgedRowsLost)])
def test_without_the_durable_write_a_failover_of_the_target_loses_rows_or_is_stuck(
    confirm_every: int, finding: type[Violation]
) -> None:
    """Stuck where the sentinel itself was confirmed and lost; rows lost where only what came before it was."""
    assert finding in find("target fails over", Guards(has_durable_target=False), confirm_every)


def test_a_machine_that_ignores_changed_timelines_is_held_by_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupView, "has_changed_timeline", False)
    assert find("target fails over") == {NoWayForward}


def test_a_machine_and_a_fence_that_ignore_changed_timelines_lose_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupView, "has_changed_timeline", False)
    found = find("target fails over", Guards(has_timeline_check=False))
    assert found & {AcknowledgedRowsLost, NoWayForward}


def test_a_fence_that_raises_no_gates_lets_stale_reads_pass() -> None:
    with pytest.raises(StaleReadAccepted):
        Simulation.of(1, 2, guards=Guards(has_gates=False)).run()


def test_a_fence_that_counts_epochs_down_is_found() -> None:
    with pytest.raises(EpochFell):
        Simulation.of(1, 2, guards=Guards(has_rising_epochs=False)).run()


@pytest.mark.parametrize("event", ["source restarts", "target restarts"])
def test_gates_that_a_crash_left_beside_their_map_close_their_buckets_for_good(
    event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not find(event)
    monkeypatch.setattr(decisions, "settle_gates", lambda shards: Settled())
    assert find(event) == {NoWayForward}


def test_a_target_whose_gates_are_raised_before_its_claim_is_committed_passes_reads_without_its_leaves() -> None:
    assert not find("target fails over")
    assert StaleReadAccepted in find("target fails over", Guards(has_claim_first=False))


def test_source_leaves_dropped_before_the_fence_take_acknowledged_rows_with_them() -> None:
    wrong = reorder(steps.DetachSource, steps.DropSourceLeaves, steps.Fence, steps.OpenTarget)
    with pytest.raises(Violation):
        Simulation.of(1, 2, decide_next=wrong).run()


def test_without_terms_a_leader_that_slept_leaves_things_behind() -> None:
    assert not wake_after_the_end(Guards())
    assert LeftBehind in wake_after_the_end(Guards(has_term=False))
