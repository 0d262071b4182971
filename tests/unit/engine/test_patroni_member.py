"""What is changed about Patroni: how often positions are written, and for how long a leader is remembered."""

import time
from typing import Any, NamedTuple

import pytest

from fakes.programs import load_program

program = load_program("patroni_member")


class Member(NamedTuple):
    name: str
    data: dict[str, Any]


class Leader(NamedTuple):
    member: Member

    @property
    def name(self) -> str:
        return self.member.name


class Metadata(NamedTuple):
    annotations: dict[str, str] | None


class Node(NamedTuple):
    metadata: Metadata


class Cluster(NamedTuple):
    leader: Leader | None
    members: list[Member]

    def __len__(self) -> int:
        """As Patroni's: whether it is empty, not how many fields it has."""
        return 1

    def get_member(self, name: str, *, fallback_to_leader: bool) -> Member | None:
        assert not fallback_to_leader
        return next((member for member in self.members if member.name == name), None)


def standby(**more: Any) -> dict[str, Any]:
    return {"state": "running", "role": "replica", "receive_lsn": 10, "xlog_location": 10} | more


class Retry(NamedTuple):
    deadline: float


class Unanswered(Exception):
    pass


class FakeStore:
    """Writes as Patroni does: whatever differs from what is written."""

    def __init__(self, clock: "Clock") -> None:
        self.clock = clock
        self._name, self.writes = "s0-1", 0
        self.written: dict[str, Any] = {}
        self.leads = "s0-0"
        self.leader_path = "s0"
        self.renews, self.renewal_seconds = False, 0.0
        self._retry = Retry(deadline=3.0)

    @property
    def cluster(self) -> Cluster:
        return Cluster(None, [Member(self._name, {**self.written, "pod_labels": {"role": "replica"}})])

    def _update_leader_with_retry(self, annotations: dict[str, str], version: str, ips: list[str]) -> bool:
        self.clock.now += self.renewal_seconds
        return self.renews

    def touch_member(self, data: dict[str, Any]) -> bool:
        if data != self.written:
            self.writes += 1
            self.written = data
        return True

    def _map_subsets(self, endpoints: dict[str, Any], ips: list[str]) -> None:
        endpoints["subsets"] = ips

    def _cluster_from_nodes(self, group: str, nodes: Any, pods: list[Member]) -> Cluster:
        empty = Member(self.leads, {})
        return Cluster(Leader(next((pod for pod in pods if pod.name == self.leads), empty)), pods)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FakeStore:
    class Store(FakeStore):
        """A class of its own, since it is changed."""

    program.change_habits(Store, Unanswered, clock)
    return Store(clock)


def test_positions_alone_are_written_every_ten_seconds(store: FakeStore, clock: Clock) -> None:
    for loop in range(31):
        store.touch_member(standby(xlog_location=loop, receive_lsn=loop))
        clock.now += 1
    assert store.writes == 4
    assert store.written["xlog_location"] == 30


def test_anything_else_is_written_at_once_with_fresh_positions(store: FakeStore) -> None:
    store.touch_member(standby())
    store.touch_member(standby(state="stopped", xlog_location=20))
    assert store.written == standby(state="stopped", xlog_location=20)


def test_a_position_that_comes_or_goes_is_written_at_once(store: FakeStore) -> None:
    store.touch_member(standby())
    store.touch_member({"state": "running", "role": "replica", "xlog_location": 20})
    assert store.written == {"state": "running", "role": "replica", "xlog_location": 20}


def test_a_status_that_somebody_took_away_is_written_at_once(store: FakeStore) -> None:
    store.touch_member(standby())
    store.written = {}
    store.touch_member(standby())
    assert store.written == standby()


def told(name: str, **data: Any) -> Member:
    return Member(name, {"conn_url": f"postgres://{name}"} | data)


def read_leader(store: FakeStore, *pods: Member) -> Member:
    leader: Leader = store._cluster_from_nodes("", {}, list(pods)).leader  # type: ignore[assignment]
    return leader.member


def test_a_leader_whose_pod_is_gone_keeps_its_address(store: FakeStore) -> None:
    read_leader(store, told("s0-0"), told("s0-1"))
    assert read_leader(store, told("s0-1")) == told("s0-0")


def test_a_pod_of_the_same_name_has_the_last_word(store: FakeStore) -> None:
    read_leader(store, told("s0-0"))
    assert read_leader(store, told("s0-0", conn_url="elsewhere")).data["conn_url"] == "elsewhere"
    assert read_leader(store).data["conn_url"] == "elsewhere"


def test_a_status_that_is_hidden_stays_hidden_while_the_pod_is_there(store: FakeStore) -> None:
    read_leader(store, told("s0-0"))
    assert read_leader(store, Member("s0-0", {})).data == {}


def test_a_leader_that_was_never_seen_has_no_address(store: FakeStore) -> None:
    read_leader(store, told("s0-0"), told("s0-1"))
    store.leads = "s0-2"
    assert read_leader(store, told("s0-1")).data == {}


def test_without_a_leader_there_is_none(store: FakeStore) -> None:
    store.leads = ""
    assert read_leader(store, told("s0-1")).name == ""


def run_out(store: FakeStore, leads: str, role: str, state: str = "running") -> str:
    """Who leads in the eyes of member s0-1, told to be such a member, once the record of `leads` has run out."""
    store.leads = ""
    store.touch_member({"role": role, "state": state})
    node = Node(Metadata({"leader": leads} if leads else None))
    cluster = store._cluster_from_nodes("", {"s0": node}, [told("s0-0"), told("s0-1")])
    return cluster.leader.name if cluster.leader else ""


def test_a_running_primary_holds_its_own_record_for_its_own_however_old(store: FakeStore) -> None:
    assert run_out(store, "s0-1", "primary") == "s0-1"


@pytest.mark.parametrize(
    ("leads", "role", "state"),
    [
        ("s0-1", "replica", "running"),
        ("s0-1", "primary", "stopped"),
        ("s0-0", "primary", "running"),
        ("", "primary", "running"),
    ],
    ids=["a-standby", "stopped", "of-another", "free"],
)
def test_any_other_record_that_has_run_out_is_free(store: FakeStore, leads: str, role: str, state: str) -> None:
    assert run_out(store, leads, role, state) == ""


def test_who_gives_up_the_lead_leaves_the_routing_to_its_successor(store: FakeStore) -> None:
    released: dict[str, Any] = {}
    store._map_subsets(released, [])
    assert released == {}
    taken: dict[str, Any] = {}
    store._map_subsets(taken, ["10.0.0.2"])
    assert taken == {"subsets": ["10.0.0.2"]}


class Engine:
    """As Patroni's module `postgresql` is."""

    STOP_POLLING_INTERVAL = 1


class Loop:
    """As Patroni's module `ha` is: it says `time.sleep` in what it does once a server has shut down, and elsewhere."""

    time: Any = time

    @classmethod
    def on_shutdown(cls) -> None:
        cls.time.sleep(1)

    @classmethod
    def rest(cls) -> None:
        cls.time.sleep(1)


def test_a_stop_is_looked_at_often_and_nothing_else_is_hurried() -> None:
    program.watch_stops(Engine, Loop)
    assert Engine.STOP_POLLING_INTERVAL == program.STOP_POLLING_SECONDS
    rests: list[float] = []
    Loop.time = program.ShortRests(rests.append)
    Loop.on_shutdown()
    Loop.rest()
    assert rests == [program.STOP_POLLING_SECONDS, 1]
    assert Loop.time.monotonic is time.monotonic


@pytest.mark.parametrize("changed", [(object(), Loop), (Engine, object())])
def test_a_patroni_that_stops_otherwise_by_now_is_noticed(changed: tuple[Any, Any]) -> None:
    with pytest.raises(AttributeError):
        program.watch_stops(*changed)


@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_a_lead_that_another_has_is_lost(store: FakeStore, seconds: float) -> None:
    store.renewal_seconds = seconds
    assert store._update_leader_with_retry({}, "7", []) is False


def test_a_renewal_whose_answer_came_too_late_to_look_again_was_not_answered(store: FakeStore) -> None:
    store.renewal_seconds = 2.5
    with pytest.raises(Unanswered, match="no time was left"):
        store._update_leader_with_retry({}, "7", [])


def test_a_renewal_that_took_long_is_one(store: FakeStore) -> None:
    store.renews, store.renewal_seconds = True, 2.9
    assert store._update_leader_with_retry({}, "7", []) is True
