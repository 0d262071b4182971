"""Hypothesis and seeded storms look for an order of moves in which an acknowledged commit is lost."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .agent import Guards
from .storm import storm
from .world import NAMES, AcknowledgedCommitLost, World

MEMBERS = st.sampled_from(NAMES)
STORMS = 60


class EarlyExpiryMachine(RuleBasedStateMachine):
    """The checker looks after every move. Whoever is not moved stalls. In the end there is calm, and a leader."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(times=st.integers(1, 4))
    def begin_well(self, times: int) -> None:
        self.world.go_well(times)

    @rule(name=MEMBERS, times=st.integers(1, 4))
    def step(self, name: str, times: int) -> None:
        self.world.step(name, times)

    @rule(times=st.integers(1, 5))
    def leader_stalls(self, times: int) -> None:
        """Somewhere in its cycle, for as long as it takes to be noticed by all."""
        self.world.step(self.world.store.record.leader or "A", times)
        for name in NAMES:
            self.world.look(name)
        for name in NAMES:
            self.world.notice_silence(name)

    @rule(name=MEMBERS, times=st.integers(1, 6))
    def act(self, name: str, times: int) -> None:
        self.world.act(name, times)

    @rule(name=MEMBERS, times=st.integers(1, 3))
    def write(self, name: str, times: int) -> None:
        for _ in range(times):
            self.world.write(name)

    @rule(name=MEMBERS, times=st.integers(1, 4))
    def stream(self, name: str, times: int) -> None:
        for _ in range(times):
            self.world.stream(name)

    @rule(name=MEMBERS)
    def cut(self, name: str) -> None:
        self.world.cut_off.add(name)

    @rule(name=MEMBERS)
    def mend(self, name: str) -> None:
        self.world.cut_off.discard(name)

    @rule(times=st.integers(1, 3))
    def go_well(self, times: int) -> None:
        self.world.go_well(times)

    def teardown(self) -> None:
        self.world.calm_down()


TestEarlyExpiryMachine = EarlyExpiryMachine.TestCase
TestEarlyExpiryMachine.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def all_storms(guards: Guards) -> list[World]:
    worlds = [World(guards) for _ in range(STORMS)]
    for seed, world in enumerate(worlds):
        storm(world, seed)
    return worlds


@pytest.mark.parametrize("seed", range(STORMS))
def test_nothing_acknowledged_is_lost_in_a_storm(seed: int) -> None:
    storm(World(), seed)


@pytest.mark.parametrize("guards", [Guards(touches_sync=False), Guards(keeps_to_first_version=False)], ids=str)
def test_storms_find_a_missing_safeguard(guards: Guards) -> None:
    with pytest.raises(AcknowledgedCommitLost):
        all_storms(guards)


def test_storms_do_see_leads_taken_early() -> None:
    """Or they would show nothing."""
    assert sum(world.newest_timeline > 1 for world in all_storms(Guards())) > STORMS // 4
