"""Hypothesis tries to break an expansion: leaders come and go, shards fail over, clients write with old maps, rows come late."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from caisson_operator.core.layout import shard_name

from .simulation import Simulation
from .world import LARGEST, World

SHARDS = st.integers(0, LARGEST - 1).map(shard_name)
SMALL = st.integers(0, 7)
# Where an effect stands between two of its transactions: the moments at which something may go wrong.
TENDER = [
    "before lock",
    "after durable write",
    "gates raised",
    "commit under way",
    "after commit",
    "epochs read",
    "attached",
    "claimed",
    "detach pending",
]
FLOWS = ["copy", "apply", "confirm", "replicate"]
TROUBLES = [
    "fail_over",
    "restart",
    "promote",
    "go_down",
    "lose_standby",
    "read_long",
    "prepare",
    "drop_slots",
    "stall",
    "open",
]


class ExpansionMachine(RuleBasedStateMachine):
    """Every rule ends with the checker's look. Afterwards all troubles end, and the machine must come to its own end."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Simulation.of(1, 2))

    @initialize(ticks=st.integers(0, 110))
    def begin_somewhere(self, ticks: int) -> None:
        """In the middle: what is rare at the beginning is not worth waiting for."""
        self.go_on(ticks)

    @rule(ticks=st.integers(1, 40))
    def go_on(self, ticks: int) -> None:
        """Everything goes well for a while: time passes, rows flow, applications write."""
        for _ in range(ticks):
            self.world.sim.tick()

    @rule(times=st.integers(1, 4))
    def lead(self, times: int) -> None:
        for _ in range(times):
            self.world.lead()

    @rule(place=st.sampled_from(TENDER))
    def lead_up_to(self, place: str) -> None:
        for _ in range(40):
            self.world.lead()
            if self.world.sim.leader.place == place:
                break

    @rule(times=st.integers(1, 10))
    def lead_asleep(self, times: int) -> None:
        for _ in range(times):
            self.world.lead_asleep()

    @rule(does_old_one_live=st.booleans())
    def change_leader(self, does_old_one_live: bool) -> None:
        self.world.change_leader(does_old_one_live)

    @rule(
        bucket=SMALL, key=st.integers(0, 2), is_stale=st.booleans(), is_waiting=st.booleans(), is_delete=st.booleans()
    )
    def write(self, bucket: int, key: int, is_stale: bool, is_waiting: bool, is_delete: bool) -> None:
        self.world.write(bucket, key, is_stale, is_waiting, is_delete)

    @rule(kind=st.sampled_from(FLOWS), shard=SHARDS, count=st.integers(1, 5))
    def flow(self, kind: str, shard: str, count: int) -> None:
        self.world.flow(kind, shard, count)

    @rule(kind=st.sampled_from(TROUBLES), shard=SHARDS, number=SMALL)
    def befall(self, kind: str, shard: str, number: int) -> None:
        self.world.befall(kind, shard, number)

    @rule(shard=SHARDS)
    def return_standby(self, shard: str) -> None:
        self.world.return_standby(shard)

    @rule(shards=st.integers(2, LARGEST), is_paused=st.booleans())
    def ask(self, shards: int, is_paused: bool) -> None:
        self.world.ask(shards, is_paused)

    def teardown(self) -> None:
        self.world.calm_down()


SETTINGS = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestExpansionMachine = ExpansionMachine.TestCase
TestExpansionMachine.settings = SETTINGS
