"""Outages of the store, move by move: who goes on, who steps down, and that each rule of that has its reason.

A leads, B is its synchronous standby, C streams as well.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from early_expiry.records import SyncRecord

from .checker import AcknowledgedCommitLost
from .connection import Requests, Watching
from .replication import Mode
from .rules import PATRONIS_OWN_AT_BEST, REAL, Late, Rules
from .store import Store
from .test_scripts import WHOLE_ATTEMPT, commit_on_a_and_c
from .world import NAMES, World

Script = Callable[[Rules], World]


def begin(rules: Rules) -> World:
    world = World(rules=rules)
    world.silent.clear()
    world.go_well()
    return world


def begin_asynchronously(rules: Rules) -> World:
    world = World(mode=Mode.ASYNCHRONOUS, store=Store(sync=SyncRecord("1", None, frozenset(), 0)), rules=rules)
    world.go_well()
    return world


def take_the_store_away(world: World, names: str = NAMES) -> None:
    world.trouble(names, Watching.BROKEN, Requests.LOST)


def outage_with_a_renewal_that_arrives_late(rules: Rules) -> World:
    """Longer than ttl. The renewal that was on its way as it began arrives between A's first look at the store and its first write."""
    world = begin(rules)
    world.step_until("A", "loaded")
    world.connections["A"].requests = Requests.LATE
    world.finish_cycle("A")
    take_the_store_away(world)
    world.let_ttl_pass()
    world.go_well()
    world.end_trouble(NAMES)
    world.step_until("A", "loaded")
    world.arrive()
    world.finish_cycle("A")
    return world


def renewal_whose_answer_is_late(rules: Rules) -> World:
    """It has arrived, so the second try is a conflict, and no time is left to look whose record it is."""
    world = begin(rules)
    world.connections["A"].requests = Requests.LATE
    world.step_until("A", "not answered")
    world.arrive()
    world.end_trouble("A")
    world.connections["A"].has_time = False
    world.finish_cycle("A")
    return world


HABITS: list[tuple[Script, Rules]] = [
    (outage_with_a_renewal_that_arrives_late, replace(REAL, holds_own_record=False)),
    (renewal_whose_answer_is_late, replace(REAL, late_answer=Late.FAILED)),
]
NAMES_OF_HABITS = [script.__name__ for script, _ in HABITS]


@pytest.mark.parametrize(("script", "rules"), HABITS, ids=NAMES_OF_HABITS)
def test_a_primary_with_its_own_record_goes_on(script: Script, rules: Rules) -> None:
    world = script(REAL)
    assert world.members["A"].is_primary
    world.calm_down()
    assert world.newest_timeline == 1


@pytest.mark.parametrize(("script", "rules"), HABITS, ids=NAMES_OF_HABITS)
def test_without_our_habit_it_steps_down(script: Script, rules: Rules) -> None:
    world = script(rules)
    assert not world.members["A"].is_primary
    world.calm_down()


def renewal_that_another_leads_by(rules: Rules) -> World:
    """A's renewal waits for its answer while ttl runs out and B takes the lead; it is told of a conflict, with no time to look.

    B has not promoted itself yet, and bears with A like C does: A may go on, and must not touch the sync record by what it had read.
    """
    world = begin(rules)
    world.silent.add("A")
    world.pass_time(19)
    world.connections["A"].requests = Requests.LOST
    world.step_until("A", "not answered")
    world.pass_time(2)
    world.step_until("B", "acquired")
    world.end_trouble("A")
    world.connections["A"].has_time = False
    world.cut_off.add("B")
    world.finish_cycle("A")
    commit_on_a_and_c(world)
    world.finish_cycle("B")
    world.calm_down()
    return world


def old_primary_that_finds_another_in_its_record(rules: Rules) -> World:
    """A's renewal waits for its answer while B's agent ends its lead, and B promotes itself and acknowledges."""
    world = begin(rules)
    world.silent.add("A")
    world.connections["A"].requests = Requests.LOST
    world.step_until("A", "not answered")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    world.write("B")
    world.end_trouble("A")
    world.finish_cycle("A")
    world.calm_down()
    return world


def member_that_is_not_named_after_ttl(rules: Rules) -> World:
    """No agent is needed for C to take part in the race."""
    world = begin(rules)
    world.silent.add("A")
    world.cut_off.add("C")
    world.write("A")
    world.stream("B")
    world.let_ttl_pass()
    world.finish_cycle("C")
    world.calm_down()
    return world


def primary_without_the_store_that_another_has_followed(rules: Rules) -> World:
    """Asynchronous: B leads after ttl, and only B's refusal keeps A from acknowledging."""
    world = begin_asynchronously(rules)
    take_the_store_away(world, "A")
    world.let_ttl_pass()
    world.finish_cycle("B")
    world.silent.clear()
    world.finish_cycle("A")
    world.write("A")
    world.calm_down()
    return world


SAFEGUARDS: list[tuple[Script, Rules]] = [
    (renewal_that_another_leads_by, replace(PATRONIS_OWN_AT_BEST, late_answer=Late.DONE)),
    (old_primary_that_finds_another_in_its_record, replace(REAL, renews_only_its_own=False)),
    (member_that_is_not_named_after_ttl, replace(PATRONIS_OWN_AT_BEST, races_only_if_named=False)),
    (primary_without_the_store_that_another_has_followed, replace(REAL, leader_refuses_to_bear=False)),
    (primary_without_the_store_that_another_has_followed, replace(REAL, asks_before_going_on=False)),
]
NAMES_OF_SAFEGUARDS = [f"{script.__name__}-{number}" for number, (script, _) in enumerate(SAFEGUARDS)]


@pytest.mark.parametrize(("script", "rules"), SAFEGUARDS, ids=NAMES_OF_SAFEGUARDS)
def test_nothing_acknowledged_is_lost(script: Script, rules: Rules) -> None:
    script(REAL)


@pytest.mark.parametrize(("script", "rules"), SAFEGUARDS, ids=NAMES_OF_SAFEGUARDS)
def test_without_the_rule_it_is(script: Script, rules: Rules) -> None:
    with pytest.raises(AcknowledgedCommitLost):
        script(rules)


def test_a_primary_that_cannot_ask_all_steps_down_and_somebody_leads_again() -> None:
    world = begin(REAL)
    take_the_store_away(world)
    world.silent.add("C")
    world.go_well(1)
    assert not world.members["A"].is_primary
    world.calm_down()


def test_a_standby_takes_no_part_in_the_race_while_it_bears_with_the_primary() -> None:
    """And its agent ends no lead; once it was not asked for ttl, both are free again."""
    world = begin(REAL)
    take_the_store_away(world)
    world.let_ttl_pass()
    world.finish_cycle("A")
    world.silent.add("A")
    world.end_trouble("BC")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    assert world.store.record.leader == "A"
    world.let_ttl_pass()
    for _ in range(2):
        world.finish_cycle("B")
    assert world.members["B"].is_primary
    world.calm_down()


def test_a_primary_cut_off_alone_goes_on_while_its_standbys_bear_with_it() -> None:
    """Longer than ttl, as long as it asks within ttl; B and C have the store all the time."""
    world = begin(REAL)
    take_the_store_away(world, "A")
    world.write("A")
    for _ in range(20):
        world.go_well(1)
    assert world.members["A"].is_primary
    assert world.acknowledged == {1}
    world.calm_down()
    assert world.newest_timeline == 1
