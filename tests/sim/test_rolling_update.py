"""Hypothesis looks for an order of moves in which an update takes away a member that somebody still needs.

Members die and come back, leaders fail over, standbys take their time until they stream; between any two moves the operator
looks and acts. It may never take away a leader that has standbys, nor any member that works while another one does not.
In calm every member is updated in the end.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caisson_operator.core.decisions import Plan
from caisson_operator.sharded_database import steps, updating
from caisson_operator.sharded_database.handover import Preparing
from caisson_operator.sharded_database.observed import Observed, Pod
from caisson_operator.sharded_database.provisioning import find_template
from caisson_operator.sharded_database.recorded import Recorded
from caisson_operator.sharded_database.wanted import Wanted
from fakes.members import build_members, see
from fakes.observations import build_wanted

CALM_MOVES = 20
SEEDS = range(200)
MOVES = ("operator", "operator", "operator", "come_up", "catch_up", "die", "wait_for_restart")


class MemberMissedError(AssertionError):
    """The operator took away a member that was needed."""


@dataclass
class World:
    """Two shards whose members are all out of date. A leader that dies is followed by a standby that streams."""

    wanted: Wanted
    pods: dict[str, Pod] = field(default_factory=dict)
    catching_up: set[str] = field(default_factory=set)
    prepared: str = ""
    """Shard of which the status says that its lead is to move."""

    def __post_init__(self) -> None:
        self.pods = {pod.name: replace(pod, template="older") for pod in build_members(self.wanted)}

    def move(self, what: str, which: int) -> None:
        names = sorted(self.pods)
        getattr(self, what)(names[which % len(names)])

    def operator(self, _: str) -> None:
        decision = updating.decide_updates(self.wanted, self.observe())
        self.prepared = decision.shard if isinstance(decision, Preparing) else ""
        for step in decision.steps if isinstance(decision, Plan) else ():
            match step:
                case steps.Evict():
                    self.take(step.member)
                    self.change(step.member, template=find_template(self.wanted, step.shard))
                case steps.RestartMember():
                    self.take(step.member)
                case steps.SwitchOver():
                    self.hand_over(step)

    def observe(self) -> Observed:
        observed = see(self.wanted, self.pods.values())
        shards = dict(observed.shards)
        for name, shard in observed.shards.items():
            standbys = {of: found for of, found in shard.standbys.items() if of not in self.catching_up}
            shards[name] = replace(shard, standbys=standbys, has_synchronous_standby=bool(standbys))
            if not any(pod.is_ready and pod.role == "primary" for pod in self.members(name)):
                del shards[name]
        return replace(observed, shards=shards, recorded=self.record(observed.recorded))

    def record(self, recorded: Recorded) -> Recorded:
        leaders = {
            shard: leader.model_copy(update={"is_requested": shard == self.prepared})
            for shard, leader in recorded.leaders.items()
        }
        return replace(recorded, leaders=leaders)

    def members(self, shard: str) -> Iterator[Pod]:
        return (pod for pod in self.pods.values() if pod.shard == shard)

    def change(self, name: str, **changes: object) -> None:
        self.pods[name] = replace(self.pods[name], **changes)  # type: ignore[arg-type]

    def take(self, name: str) -> None:
        """By the operator."""
        pod = self.pods[name]
        if pod.role == "primary":
            raise MemberMissedError(f"{name} led, and could have handed over")
        if pod.is_ready and (away := [each for each in self.pods if not self.is_well(each)]):
            raise MemberMissedError(f"{name} was taken away while {away} were not there")
        self.die(name)

    def is_well(self, name: str) -> bool:
        return self.pods[name].is_ready and name not in self.catching_up

    def die(self, name: str) -> None:
        pod = self.pods[name]
        self.catching_up.discard(name)
        self.change(name, is_ready=False, told=replace(pod.told, must_restart=False))
        heirs = [each.name for each in self.members(pod.shard) if each.name != name and self.is_well(each.name)]
        if pod.role == "primary" and heirs:
            self.change(name, role="replica")
            self.change(heirs[0], role="primary")

    def hand_over(self, step: steps.SwitchOver) -> None:
        assert self.is_well(step.member)
        self.change(step.leader, role="replica")
        self.change(step.member, role="primary")
        self.catching_up.add(step.leader)

    def come_up(self, name: str) -> None:
        if not self.pods[name].is_ready:
            self.change(name, is_ready=True)
            if self.pods[name].role != "primary":
                self.catching_up.add(name)

    def catch_up(self, name: str) -> None:
        self.catching_up.discard(name)

    def wait_for_restart(self, name: str) -> None:
        """A setting was changed that holds with the next start."""
        self.change(name, told=replace(self.pods[name].told, must_restart=True))

    def calm_down(self) -> None:
        for _ in range(CALM_MOVES):
            for name in self.pods:
                self.come_up(name)
                self.catch_up(name)
            self.operator("")

    def is_updated(self) -> bool:
        return not any(updating.list_outdated(shard, self.wanted, self.observe()) for shard in self.wanted.shards)


@settings(max_examples=60, deadline=None)
@given(members=st.integers(2, 3), moves=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 5)), max_size=30))
def test_nobody_is_missed_and_everybody_is_updated_in_the_end(members: int, moves: list[tuple[str, int]]) -> None:
    world = World(build_wanted(2, membersPerShard=members))
    for what, which in moves:
        world.move(what, which)
    world.calm_down()
    assert world.is_updated()


def storm(seeds: Iterable[int]) -> None:
    for seed in seeds:
        dice, world = random.Random(seed), World(build_wanted(2))
        for _ in range(60):
            world.move(dice.choice(MOVES), dice.randrange(4))


@pytest.mark.parametrize(
    ("guard", "off"),
    [("_find_hindrances", lambda wanted, observed: ()), ("_restart_next", None)],
    ids=["everybody is there", "a leader hands over"],
)
def test_without_either_guard_somebody_is_missed(monkeypatch: pytest.MonkeyPatch, guard: str, off: object) -> None:
    """The control: the same moves, found wanting."""

    def restart_first(outdated: list[Pod], wanted: Wanted, observed: Observed) -> Plan:
        return Plan((updating._restart(outdated[0], wanted),), "", "")

    monkeypatch.setattr(updating, guard, off or restart_first)
    with pytest.raises(MemberMissedError):
        storm(SEEDS)
