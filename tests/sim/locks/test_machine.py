"""Hypothesis and seeded storms look for an order of moves in which two believe, an update is lost or a token goes back."""

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from .world import LEASE, RATES, Guards, TokenNotGreater, TwoBelieve, UpdateLost, Violation, World

CLIENTS = st.integers(0, len(RATES) - 1)
SECONDS = st.sampled_from([0.1, LEASE / 6, LEASE / 3, LEASE / 2, 0.9 * LEASE, LEASE, 2 * LEASE])
STORMS = 400
MOVES = 120


class LeaseMachine(RuleBasedStateMachine):
    """The adversary's moves. Whoever is not moved is stopped, for as long as the others go on."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(number=CLIENTS)
    def ask(self, number: int) -> None:
        self.world.ask(number)

    @rule(number=CLIENTS)
    def serve(self, number: int) -> None:
        self.world.serve(number)

    @rule(number=CLIENTS)
    def hear(self, number: int) -> None:
        self.world.hear(number)

    @rule(number=CLIENTS)
    def hold(self, number: int) -> None:
        self.world.hold(number)

    @rule(number=CLIENTS)
    def read(self, number: int) -> None:
        self.world.read(number)

    @rule(number=CLIENTS)
    def write(self, number: int) -> None:
        self.world.write(number)

    @rule(number=CLIENTS)
    def give_up(self, number: int) -> None:
        self.world.give_up(number)

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=SECONDS, is_forward=st.booleans())
    def jump(self, seconds: float, is_forward: bool) -> None:
        self.world.jump(seconds if is_forward else -seconds)

    @rule(forgotten=st.integers(0, 4))
    def fail_over(self, forgotten: int) -> None:
        self.world.fail_over(forgotten)


class CalmLeaseMachine(LeaseMachine):
    """Without jumps and failovers, where leases alone have to keep two from believing."""

    jump = None  # type: ignore[assignment]
    fail_over = None  # type: ignore[assignment]


SETTINGS = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = SETTINGS
TestCalmLeaseMachine = CalmLeaseMachine.TestCase
TestCalmLeaseMachine.settings = SETTINGS


def storm(world: World, seed: int, *, is_calm: bool) -> None:
    """Moves at random."""
    dice = random.Random(seed)
    moves: list[Callable[[int], None]] = [world.ask, world.serve, world.hear, world.give_up]
    moves += 2 * [world.hold, world.read, world.write]
    for _ in range(MOVES):
        if dice.random() < 0.2:
            world.pass_time(dice.choice([0.1, LEASE / 3, 0.5 * LEASE, 0.95 * LEASE]))
        elif not is_calm and dice.random() < 0.05:
            world.jump(dice.uniform(-LEASE, 2 * LEASE))
        elif not is_calm and dice.random() < 0.05:
            world.fail_over(dice.randrange(4))
        else:
            dice.choice(moves)(dice.randrange(len(RATES)))


def found(guards: Guards, *, is_calm: bool) -> set[type[Violation]]:
    """What all storms together find."""
    kinds: set[type[Violation]] = set()
    for seed in range(STORMS):
        try:
            storm(World(guards), seed, is_calm=is_calm)
        except Violation as violation:
            kinds.add(type(violation))
    return kinds


@pytest.mark.parametrize("is_calm", [True, False])
def test_storms_find_nothing(is_calm: bool) -> None:
    assert found(Guards(), is_calm=is_calm) == set()


def test_storms_get_something_done() -> None:
    worlds = [World() for _ in range(20)]
    for seed, world in enumerate(worlds):
        storm(world, seed, is_calm=False)
    assert sum(world.resource.committed for world in worlds) > 20


def test_without_a_fence_updates_are_lost() -> None:
    assert UpdateLost in found(Guards(fences=False), is_calm=False)


def test_without_a_fence_updates_are_lost_even_when_all_clocks_are_well() -> None:
    assert UpdateLost in found(Guards(fences=False), is_calm=True)


def test_a_lease_that_counts_from_the_answer_lets_two_believe() -> None:
    assert TwoBelieve in found(Guards(leases_from_the_request=False), is_calm=True)


def test_a_failover_without_another_epoch_lets_tokens_go_back() -> None:
    assert TokenNotGreater in found(Guards(raises_epoch=False), is_calm=False)
