"""Hypothesis looks for an order of moves in which an acknowledged commit is lost, or an old primary acknowledges."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .connection import Requests, Watching
from .replication import Mode
from .rules import PATRONIS_OWN_AT_BEST, REAL, Rules
from .world import NAMES, World

MEMBERS = st.sampled_from(NAMES)
PLACES = st.sampled_from(("loaded", "not answered", "conflict", "renewed", "judged", "acquired", "setting changed"))
ONE_OR_ALL = st.sampled_from((*NAMES, NAMES))
MODES = st.sampled_from((Mode.ON, Mode.STRICT))


class EarlyExpiryMachine(RuleBasedStateMachine):
    """The checker looks after every move. Whoever is not moved stalls. In the end there is calm, and a leader."""

    played_by: Rules = REAL

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(mode=MODES, times=st.integers(1, 4))
    def begin_well(self, mode: Mode, times: int) -> None:
        self.world = World(rules=self.played_by, mode=mode)
        self.world.go_well(times)

    @rule(name=MEMBERS, times=st.integers(1, 4))
    def step(self, name: str, times: int) -> None:
        self.world.step(name, times)

    @rule(name=MEMBERS, place=PLACES)
    def step_to(self, name: str, place: str) -> None:
        """Or through a whole cycle that does not come there."""
        while self.world.step(name) not in (place, None):
            pass

    @rule(name=MEMBERS)
    def take_over_by_ttl(self, name: str) -> None:
        self.world.finish_cycle(name)
        self.world.let_ttl_pass()
        self.step_to(name, "acquired")

    @rule(names=st.sets(MEMBERS, min_size=1))
    def commit(self, names: set[str]) -> None:
        """As far as it comes: whoever runs as a primary writes, and so many receive it."""
        for name in NAMES:
            self.world.write(name)
        for name in sorted(names) * 3:
            self.world.stream(name)

    @rule(times=st.integers(1, 5))
    def leader_stalls(self, times: int) -> None:
        """Somewhere in its cycle, for as long as it takes to be noticed by all."""
        self.world.step(self.world.store.record.leader or "A", times)
        self.world.notice_silence_together()

    @rule()
    def let_ttl_pass(self) -> None:
        self.world.let_ttl_pass()

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

    @rule(names=ONE_OR_ALL, watching=st.sampled_from(Watching), requests=st.sampled_from(Requests))
    def trouble(self, names: str, watching: Watching, requests: Requests) -> None:
        """With the store: of one member, or of all."""
        self.world.trouble(names, watching, requests)

    @rule(name=MEMBERS)
    def hurry(self, name: str) -> None:
        """A conflict leaves it no time to look whose record it is."""
        self.world.connections[name].has_time = False

    @rule(names=ONE_OR_ALL)
    def end_trouble(self, names: str) -> None:
        self.world.end_trouble(names)

    @rule()
    def arrive(self) -> None:
        self.world.arrive()

    @rule(name=MEMBERS)
    def fall_silent_or_speak_again(self, name: str) -> None:
        self.world.silent ^= {name}

    @rule(times=st.integers(1, 3))
    def go_well(self, times: int) -> None:
        self.world.go_well(times)

    def teardown(self) -> None:
        self.world.calm_down()


class PatronisOwnMachine(EarlyExpiryMachine):
    """Where all that they lean on is granted."""

    played_by = PATRONIS_OWN_AT_BEST


TestEarlyExpiryMachine = EarlyExpiryMachine.TestCase
TestPatronisOwnMachine = PatronisOwnMachine.TestCase
TestEarlyExpiryMachine.settings = TestPatronisOwnMachine.settings = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
