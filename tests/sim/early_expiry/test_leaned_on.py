"""What Patroni's own rules lean on, each race written out: without it they lose what was acknowledged, and ours do not.

A is slow but alive. tests/unit/engine/test_sync_record.py holds the deciding moments against Patroni's own methods, as they are and as ours.
"""

from collections.abc import Callable

import pytest

from .checker import AcknowledgedCommitLost
from .connection import Requests, Watching
from .rules import PATRONIS_OWN, REAL, Rules
from .test_scripts import WHOLE_ATTEMPT, take_b_out
from .world import World

Script = Callable[[Rules], None]


def cycle_that_lasts_for_ttl(rules: Rules) -> None:
    """A stalls for ttl between its renewal and its write to the sync record, and wakes while B takes the lead.

    B was named when it judged, and is not when it promotes itself. Nobody looks again: Patroni's own.
    """
    world = World(rules=rules)
    world.go_well()
    world.step_until("A", "renewed")
    world.finish_cycle("B")
    world.cut_off.add("B")
    world.let_ttl_pass()
    world.step_until("B", "acquired")
    take_b_out(world)
    world.finish_cycle("B")
    world.calm_down()


def watch_that_is_deaf(rules: Rules) -> None:
    """B's watch shows A's last renewal, and not that A has taken B out of the sync record in the same cycle. Then A stalls for ttl."""
    world = World(rules=rules)
    world.go_well()
    world.step_until("A", "renewed")
    world.finish_cycle("B")
    world.connections["B"].watching = Watching.DEAF
    world.cut_off.add("B")
    take_b_out(world)
    world.let_ttl_pass()
    world.step_until("B", "acquired")
    world.end_trouble("B")
    for _ in range(2):
        world.finish_cycle("B")
    world.calm_down()


def write_that_arrives_late(rules: Rules) -> None:
    """A names B again, and the write is on its way when B is gone once more. A's setting needs no other write, and A goes on alone.

    Then the write arrives: B is named, and lacks what A has acknowledged alone. The agent goes by the record as well.
    """
    world = alone(rules)
    world.cut_off.discard("B")
    world.step_until("A", "setting changed")
    world.connections["A"].requests = Requests.LATE
    world.finish_cycle("A")
    world.end_trouble("A")
    world.cut_off.add("B")
    world.go_well()
    world.write("A")
    world.arrive()
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    world.finish_cycle("B")
    world.calm_down()


def alone(rules: Rules) -> World:
    world = World(rules=rules)
    world.go_well()
    world.cut_off.update("BC")
    world.go_well()
    assert world.store.sync.standbys == frozenset()
    return world


def timeline_that_is_not_written_down(rules: Rules) -> None:
    """B leads, names C, and its writes to the history fail. C's agent ends B's lead, and A wakes, which has slept all along.

    A is a running primary, on the newest timeline that it can know of: nobody asks whether it is named.
    """
    world = World(rules=rules)
    world.go_well()
    world.step_until("A", "renewed")
    world.notice_silence("B")
    world.act("B", WHOLE_ATTEMPT)
    for _ in range(6):
        cycle_without_history(world, "B")
        for name in "BC":
            world.look(name)
        world.finish_cycle("C")
        world.stream("C")
    world.write("B")
    world.stream("C")
    world.silent.add("B")
    world.notice_silence("C")
    world.act("C", WHOLE_ATTEMPT)
    for _ in range(2):
        world.finish_cycle("A")
    world.calm_down()


def cycle_without_history(world: World, name: str) -> None:
    while (reached := world.step(name)) is not None:
        is_next = reached == "replication settled"
        world.connections[name].requests = Requests.LOST if is_next else Requests.ANSWERED
    world.end_trouble(name)


RACES: list[Script] = [
    cycle_that_lasts_for_ttl,
    watch_that_is_deaf,
    write_that_arrives_late,
    timeline_that_is_not_written_down,
]


@pytest.mark.parametrize("race", RACES)
def test_patronis_own_rules_lose_what_was_acknowledged(race: Script) -> None:
    with pytest.raises(AcknowledgedCommitLost):
        race(PATRONIS_OWN)


@pytest.mark.parametrize("race", RACES)
def test_the_real_rules_do_not(race: Script) -> None:
    race(REAL)
