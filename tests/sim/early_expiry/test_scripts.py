"""Races written out move by move, each with its safeguard, which holds, and without it, where the loss is found.

A is slow but alive and acknowledges wherever it may; B is the synchronous standby; C streams as well. Patroni goes by its own rules: ours
would find most of these races too late to lose anything, and the agent does not lean on that.
"""

from collections.abc import Callable

import pytest

from early_expiry.records import SyncRecord
from early_expiry.watch import Verdict, decide_verdict

from .agent import Guards
from .checker import AcknowledgedCommitLost
from .replication import Mode
from .rules import PATRONIS_OWN_AT_BEST
from .store import B_IS_SYNCHRONOUS, Store
from .world import World

Script = Callable[[Guards], None]
WHOLE_ATTEMPT = 6


def begin(guards: Guards) -> World:
    return World(guards, rules=PATRONIS_OWN_AT_BEST)


def commit_on_a_and_c(world: World) -> None:
    """A commit that C receives and B, which is cut off, does not."""
    world.write("A")
    for _ in range(8):
        world.stream("C")


def take_b_out(world: World) -> None:
    """B no longer streams from A: A's Patroni, in the middle of its cycle, wants to go on with C instead."""
    world.finish_cycle("A")
    commit_on_a_and_c(world)


def slow_leader_in_the_middle_of_its_cycle(guards: Guards) -> None:
    """A has renewed its record, and stalls before it writes to the sync record what it has read before."""
    world = begin(guards)
    world.go_well()
    world.step_until("A", "renewed")
    world.look("B")
    world.cut_off.add("B")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.step_until("B", "judged")
    take_b_out(world)
    world.finish_cycle("B")
    world.calm_down()


def standby_that_acquires_without_looking_again(guards: Guards) -> None:
    """The same, and B has acquired the lock by what it had read when A's write arrives."""
    world = begin(guards)
    world.go_well()
    world.step_until("A", "renewed")
    world.look("B")
    world.cut_off.add("B")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.step_until("B", "acquired")
    take_b_out(world)
    world.finish_cycle("B")
    world.calm_down()


def leader_that_has_just_won_its_record_back(guards: Guards) -> None:
    """A has acquired its free record again, and stalls before it reads once more: what it reads then is not old."""
    world = begin(guards)
    world.go_well()
    world.store.write_leader(world.store.record.version, leader=None)  # As an earlier expiry has left it.
    world.step_until("A", "acquired")
    world.look("B")
    world.cut_off.add("B")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.step("B")
    take_b_out(world)
    world.finish_cycle("B")
    world.calm_down()


def leader_that_renews_after_the_touch(guards: Guards) -> None:
    """A reads, renews and may write again, all between the touch and the last step."""
    world = begin(guards)
    world.go_well()
    world.notice_silence("B")
    while world.store.sync.version == B_IS_SYNCHRONOUS.version:
        world.act("B")
    world.cut_off.add("B")
    world.step_until("A", "renewed")
    world.act("B", WHOLE_ATTEMPT)
    world.step("B")
    take_b_out(world)
    world.finish_cycle("B")
    world.calm_down()


def quorum_commit_while_the_third_stalls(guards: Guards) -> None:
    """ANY 1 (B, C): C's REST API votes for B, its Patroni stalls, and its PostgreSQL still streams from A."""
    world = World(guards, Mode.QUORUM, Store(sync=SyncRecord("1", "A", frozenset("BC"), 1)))
    world.go_well()
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    commit_on_a_and_c(world)
    world.calm_down()


def asynchronous_shard(guards: Guards) -> None:
    """The sync record names nobody: A acknowledges alone, and B lacks what it has acknowledged."""
    world = World(guards, Mode.ASYNCHRONOUS, Store(sync=SyncRecord("1", None, frozenset(), 0)))
    world.go_well()
    world.cut_off.update("BC")
    world.write("A")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    world.calm_down()


CASES: list[tuple[Script, Guards]] = [
    (slow_leader_in_the_middle_of_its_cycle, Guards(touches_sync=False)),
    (standby_that_acquires_without_looking_again, Guards(touches_sync=False)),
    (leader_that_has_just_won_its_record_back, Guards(must_have_seen_renewals=False)),
    (leader_that_renews_after_the_touch, Guards(keeps_to_first_version=False)),
    (quorum_commit_while_the_third_stalls, Guards(refuses_quorum=False)),
    (asynchronous_shard, Guards(must_be_named=False)),
]
IDS = [script.__name__ for script, _ in CASES]


@pytest.mark.parametrize(("script", "guards"), CASES, ids=IDS)
def test_nothing_acknowledged_is_lost(script: Script, guards: Guards) -> None:
    script(Guards())


@pytest.mark.parametrize(("script", "guards"), CASES, ids=IDS)
def test_without_the_safeguard_it_is(script: Script, guards: Guards) -> None:
    with pytest.raises(AcknowledgedCommitLost):
        script(guards)


def test_the_named_standby_takes_over_from_a_leader_that_stalls() -> None:
    """The scripts above would hold as well if nothing ever happened."""
    world = World()
    world.go_well()
    world.write("A")
    world.stream("B")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    assert world.members["B"].is_primary
    world.calm_down()
    assert world.store.record.leader == "B"
    assert world.acknowledged == {1}


def test_a_leader_that_has_won_its_record_back_is_watched_until_it_renews() -> None:
    world = World()
    world.go_well()
    world.store.write_leader(world.store.record.version, leader=None)
    world.step_until("A", "acquired")
    world.notice_silence("B")
    known = world.agents["B"].known
    assert known is not None
    assert decide_verdict(known, "B") == Verdict.NOT_SEEN_RENEWING
    world.go_well(4)
    world.notice_silence("B")
    assert world.agents["B"].is_due()


def leader_alone(guards: Guards) -> World:
    """Both standbys are gone for A, so it goes on alone, and stalls. Whoever is not named can only do harm."""
    world = begin(guards)
    world.go_well()
    world.cut_off.update("BC")
    world.go_well()
    assert world.store.sync.standbys == frozenset()
    world.write("A")
    for name in "BC":
        world.notice_silence(name)
        world.act(name, WHOLE_ATTEMPT)
        world.finish_cycle(name)
    return world


def test_nobody_takes_the_lead_from_a_leader_that_is_alone() -> None:
    world = leader_alone(Guards())
    assert world.store.record.leader == "A"


def test_a_standby_that_is_not_named_would_leave_the_shard_without_a_leader() -> None:
    """Patroni itself keeps B and C from leading: nothing is lost, but A's sessions and its routing are, for nothing."""
    world = leader_alone(Guards(must_be_named=False))
    assert world.store.record.leader is None
    assert not world.members["B"].is_primary
    assert not world.members["C"].is_primary
