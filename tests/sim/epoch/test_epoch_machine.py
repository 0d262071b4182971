"""No token is ever given twice, whatever crashes; and without compare-and-set the same moves give one twice."""

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from .world import NAMES, TokenRepeated, World

MEMBERS = st.sampled_from(NAMES)
FEW = st.integers(0, 3)
STORMS, MOVES = 200, 400


class EpochMachine(RuleBasedStateMachine):
    """Every grant is checked against all before it. In the end the server promoted last serves, above all numbers before."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(name=MEMBERS, lost=FEW)
    def promote(self, name: str, lost: int) -> None:
        self.world.promote(name, lost)

    @rule(name=MEMBERS)
    def demote(self, name: str) -> None:
        self.world.demote(name)

    @rule(name=MEMBERS, lost=FEW)
    def restart(self, name: str, lost: int) -> None:
        self.world.restart(name, lost)

    @rule(name=MEMBERS)
    def save(self, name: str) -> None:
        self.world.save(name)

    @rule(name=MEMBERS)
    def restore(self, name: str) -> None:
        self.world.restore(name)

    @rule(name=MEMBERS)
    def flush(self, name: str) -> None:
        self.world.flush(name)

    @rule(name=MEMBERS, moves=st.integers(1, 5))
    def agent_moves(self, name: str, moves: int) -> None:
        for _ in range(moves):
            self.world.move(name)

    @rule(name=MEMBERS)
    def agent_crashes(self, name: str) -> None:
        self.world.agents[name].crash()

    @rule(name=MEMBERS, times=st.integers(1, 4))
    def grant(self, name: str, times: int) -> None:
        for _ in range(times):
            self.world.grant(name)

    def teardown(self) -> None:
        before = max(self.world.granted, default=(0, 0))
        self.world.promote("r0", 0)
        self.world.calm("r0")
        assert self.world.grant("r0"), "the last primary does not serve, though nothing disturbs its agent"
        assert max(self.world.granted) > before


TestEpochs = EpochMachine.TestCase
TestEpochs.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def storm(world: World, weather: random.Random) -> None:
    for _ in range(MOVES):
        name = weather.choice(NAMES)
        match weather.choices(
            ("move", "grant", "promote", "demote", "restart", "restore", "crash"), (60, 25, 5, 3, 2, 1, 2)
        )[0]:
            case "move":
                world.move(name)
            case "grant":
                world.grant(name)
            case "promote":
                world.promote(name, weather.randrange(4))
            case "demote":
                world.demote(name)
            case "restart":
                world.restart(name, weather.randrange(4))
            case "restore":
                world.restore(name)
            case _:
                world.agents[name].crash()


def count_storms_that_repeat_a_token(compares: bool) -> int:
    repeated = 0
    for seed in range(STORMS):
        try:
            storm(World(compares), random.Random(seed))
        except TokenRepeated:
            repeated += 1
    return repeated


def test_no_storm_repeats_a_token() -> None:
    assert count_storms_that_repeat_a_token(compares=True) == 0


def test_control_without_compare_and_set_storms_repeat_tokens() -> None:
    assert count_storms_that_repeat_a_token(compares=False) > 0


def test_two_new_primaries_at_once_get_different_numbers() -> None:
    world = World()
    world.promote("r0", 0)
    world.promote("r1", 0)
    for _ in range(8):
        world.move("r0")
        world.move("r1")
    assert world.servers["r0"].data.epoch != world.servers["r1"].data.epoch
    assert world.grant("r0")
    assert world.grant("r1")


def test_control_without_compare_and_set_they_get_the_same_and_give_the_same_token() -> None:
    world = World(compares=False)
    world.promote("r0", 0)
    world.promote("r1", 0)
    for _ in range(4):
        world.move("r0")
        world.move("r1")
    world.grant("r0")
    with pytest.raises(TokenRepeated):
        world.grant("r1")


def test_an_old_primary_that_goes_on_stays_below_its_successor() -> None:
    world = World()
    world.promote("r0", 0)
    world.calm("r0")
    world.grant("r0")
    world.promote("r1", 1)
    world.calm("r1")
    world.calm("r0")
    assert world.servers["r0"].data.epoch < world.servers["r1"].data.epoch
    assert world.grant("r0")
    assert world.grant("r1")


def test_a_server_that_was_wiped_serves_above_all_that_it_gave_before() -> None:
    world = World()
    world.promote("r0", 0)
    world.calm("r0")
    for _ in range(5):
        world.grant("r0")
    before = max(world.granted)
    world.restore("r0")
    assert not world.grant("r0"), "it must not serve before its agent has raised the epoch"
    world.calm("r0")
    assert world.grant("r0")
    assert max(world.granted) > before


def test_a_flush_while_the_server_runs_takes_a_new_number_too() -> None:
    world = World()
    world.promote("r0", 0)
    world.calm("r0")
    world.grant("r0")
    world.flush("r0")
    assert not world.grant("r0")
    world.calm("r0")
    assert world.grant("r0")
