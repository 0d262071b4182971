"""A crash after every single transaction of an expansion, and everything that may befall a shard at that moment."""

import pytest

from caisson_operator.sharded_database import expansion

from .invariants import NoWayForward
from .simulation import EVENTS, Simulation, each_moment, has_standbys


def test_an_expansion_ends_with_nothing_left_behind() -> None:
    sim = Simulation.of(2, 4, buckets=8)
    assert sim.run() > 100
    assert {claim.owner for claim in sim.client.known.values()} == {"s0", "s1", "s2", "s3"}


def test_a_new_leader_completes_after_a_crash_at_every_moment() -> None:
    ends = [successor.run() for successor in each_moment(Simulation.of(1, 2, buckets=4))]
    assert len(ends) > 100


@pytest.mark.parametrize("event", EVENTS)
def test_completes_whatever_befalls_a_shard_as_the_leader_dies(event: str) -> None:
    moments = [sim for sim in each_moment(Simulation.of(1, 2, buckets=2)) if has_standbys(sim)]
    assert len(moments) > 50
    for sim in moments:
        EVENTS[event](sim)
        sim.checker.check()
        sim.run()


@pytest.mark.parametrize("event", EVENTS)
def test_completes_when_the_leader_dies_again_at_every_moment_of_the_recovery(event: str) -> None:
    first = list(EVENTS).index(event)
    for sim in list(each_moment(Simulation.of(1, 2, buckets=2)))[first::16]:
        if has_standbys(sim):
            EVENTS[event](sim)
            for successor in each_moment(sim):
                successor.run()


def few_workers() -> Simulation:
    """Four groups, and workers for two of them."""
    sim = Simulation.of(1, 2, buckets=8)
    sim.shards.servers["s1"].workers = 3
    return sim


def test_groups_are_copied_in_waves_where_workers_are_few() -> None:
    ends = [successor.run() for successor in each_moment(few_workers())]
    assert len(ends) > 100


def test_without_the_waves_an_expansion_has_no_way_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "explain_no_room", lambda *_: "")
    with pytest.raises(NoWayForward):
        few_workers().run()
