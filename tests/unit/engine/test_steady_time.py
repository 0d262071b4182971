"""Patroni goes on as it was while somebody sets the clock; beside each case the same one by the wall clock, which fails.

The second half plays with Patroni's own classes, where they are installed.
"""

import time
from dataclasses import dataclass
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.programs import load_program

program = load_program("steady_time")
HOUR = 3600.0


@dataclass
class Clocks:
    """A wall clock that can be set, and a monotonic one that cannot."""

    true: float = 500.0
    off: float = 1_000_000.0

    def wall(self) -> float:
        return self.true + self.off

    def monotonic(self) -> float:
        return self.true

    def as_time(self) -> Any:
        return SimpleNamespace(time=self.wall, sleep=time.sleep, monotonic=self.monotonic)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def new_store(seen: int) -> Any:
    class Store:
        _last_seen = seen

        @property
        def last_seen(self) -> int:
            return self._last_seen

    return Store


def test_a_module_measures_on_while_the_clock_jumps(clocks: Clocks) -> None:
    module = SimpleNamespace(time=clocks.as_time())
    before = clocks.wall()
    program.measure_steadily([module], new_store(0), program.begin_steadily(clocks.wall, clocks.monotonic))
    assert module.time.time() == before
    for jump in (HOUR, -2 * HOUR):
        clocks.true, clocks.off = clocks.true + 1, clocks.off + jump
    assert module.time.time() == before + 2
    assert module.time.sleep is time.sleep


@pytest.mark.parametrize("jump", [0, HOUR, -HOUR])
def test_when_the_store_was_seen_is_told_by_the_wall_clock_of_now(clocks: Clocks, jump: float) -> None:
    store = new_store(int(clocks.wall()))
    program.measure_steadily([], store, program.begin_steadily(clocks.wall, clocks.monotonic), clocks.wall)
    clocks.true, clocks.off = clocks.true + 3, clocks.off + jump
    assert clocks.wall() - store().last_seen == 3


def test_a_store_that_was_never_seen_stays_so(clocks: Clocks) -> None:
    store = new_store(0)
    program.measure_steadily([], store, program.begin_steadily(clocks.wall, clocks.monotonic), clocks.wall)
    assert store().last_seen == 0


@pytest.mark.parametrize("changed", [([object()], new_store(0)), ([], object())])
def test_a_patroni_that_measures_otherwise_by_now_is_noticed(changed: tuple[list[Any], Any]) -> None:
    with pytest.raises(AttributeError):
        program.measure_steadily(*changed, time.monotonic)


@pytest.fixture(params=[HOUR, -HOUR], ids=["put-on", "put-back"])
def jump(request: pytest.FixtureRequest) -> float:
    by: float = request.param
    return by


@pytest.fixture
def patroni(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Patroni's modules by their names, by the test's clocks until it is over."""
    from patroni import postgresql  # before `ha`, which imports it in a circle
    from patroni import __main__, api, dcs, ha, utils  # isort: skip
    from patroni.dcs import kubernetes

    modules = SimpleNamespace(
        main=__main__, api=api, dcs=dcs, ha=ha, kubernetes=kubernetes, postgresql=postgresql, utils=utils
    )
    for module in vars(modules).values():
        monkeypatch.setattr(module, "time", clocks.as_time())
    return modules


@pytest.fixture
def steady(patroni: Any, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Any:
    store = patroni.kubernetes.Kubernetes
    monkeypatch.setattr(store, "last_seen", store.last_seen)
    steady = program.begin_steadily(clocks.wall, clocks.monotonic)
    program.measure_steadily(vars(patroni).values(), store, steady, clocks.wall)
    return patroni


def plan_cycle(patroni: Any, clocks: Clocks, jump: float) -> list[float]:
    """What a cycle that took no time waits for, in seconds, where the clock jumped in it."""
    waits: list[float] = []
    ha, dcs = SimpleNamespace(watch=waits.append), SimpleNamespace(loop_wait=1)
    member = SimpleNamespace(next_run=patroni.main.time.time(), dcs=dcs, ha=ha)
    clocks.off += jump
    patroni.main.Patroni.schedule_next_run(member)
    return waits


def test_the_next_cycle_is_due_in_a_second(steady: Any, clocks: Clocks, jump: float) -> None:
    assert plan_cycle(steady, clocks, jump) == [1]


def test_control_by_the_wall_clock_it_is_due_at_once_or_in_an_hour(patroni: Any, clocks: Clocks, jump: float) -> None:
    assert plan_cycle(patroni, clocks, jump) == ([] if jump > 0 else [1 + HOUR])


def read_leaders(patroni: Any, clocks: Clocks, jump: float) -> list[str]:
    """Who leads in the eyes of a member: before the jump, after it, and once the record is older than its ttl."""
    annotations = {"leader": "s0-0", "ttl": "20", "renewTime": "r"}
    nodes = {"s0": SimpleNamespace(metadata=SimpleNamespace(resource_version="1", annotations=annotations))}
    store = object.__new__(patroni.kubernetes.Kubernetes)
    vars(store).update(_base_path="/s0", _api=SimpleNamespace(use_endpoints=True), _ttl=20, _leader_observed_record={})
    vars(store).update(_mpp=SimpleNamespace(is_enabled=lambda: False))
    leaders = [store._cluster_from_nodes("", nodes, []).leader.name]
    clocks.off += jump
    leaders.append(store._cluster_from_nodes("", nodes, []).leader.name)
    clocks.true += 21
    return [*leaders, store._cluster_from_nodes("", nodes, []).leader.name]


def test_a_record_is_as_old_as_it_is(steady: Any, clocks: Clocks, jump: float) -> None:
    assert read_leaders(steady, clocks, jump) == ["s0-0", "s0-0", ""]


def test_control_by_the_wall_clock_it_runs_out_at_once_or_not_at_all(patroni: Any, clocks: Clocks, jump: float) -> None:
    assert read_leaders(patroni, clocks, jump) == (["s0-0", "", ""] if jump > 0 else ["s0-0"] * 3)


def test_a_primary_that_leads_goes_on_leading_for_its_ttl(steady: Any, clocks: Clocks, jump: float) -> None:
    assert leads_after(steady, clocks, jump, seconds=19)
    assert not leads_after(steady, clocks, jump, seconds=21)


def leads_after(patroni: Any, clocks: Clocks, jump: float, seconds: float) -> bool:
    ha = object.__new__(patroni.ha.Ha)
    vars(ha).update(dcs=SimpleNamespace(ttl=20), _leader_expiry_lock=Lock(), _promote_timestamp=0)
    ha.set_is_leader(True)
    clocks.true, clocks.off = clocks.true + seconds, clocks.off + jump
    return bool(ha.is_leader())


def time_left(patroni: Any, clocks: Clocks, jump: float) -> float:
    """What a request to the store has left of its three seconds."""
    retry = patroni.utils.Retry(deadline=3)
    retry(lambda: None)
    clocks.off += jump
    left: float = retry.stoptime - patroni.utils.time.time()
    return left


def test_a_request_keeps_its_time(steady: Any, clocks: Clocks, jump: float) -> None:
    assert time_left(steady, clocks, jump) == 3


def test_control_by_the_wall_clock_it_has_none_left_or_an_hour(patroni: Any, clocks: Clocks, jump: float) -> None:
    assert time_left(patroni, clocks, jump) == 3 - jump
