"""A member whose volume is gone for good begins anew: never the leader, never the last copy, one at a time, after a grace."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caisson_operator.core.decisions import Plan, Settled
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import Volume, find_host_names
from caisson_operator.sharded_database import replacing
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.replacing import decide_replacement, explain_lost
from caisson_operator.sharded_database.status import build_status
from fakes.members import build_members, change, see
from fakes.observations import NOW, build_wanted

WANTED = build_wanted(1, membersPerShard=3)
GONE_SINCE = NOW - timedelta(minutes=11)
AWAY: dict[str, Any] = {"is_ready": False, "is_running": False, "role": "", "node": "", "unready_since": GONE_SINCE}
STEP = ReplaceMember("flights-s0-1", "uid-flights-s0-1", "data-flights-s0-1", "claim-1")


def volume(place: int, is_gone: bool = True) -> Volume:
    name = f"flights-s0-{place}"
    return Volume(f"data-{name}", "s0", name, f"claim-{place}", is_gone=is_gone)


def lose(*places: int, **members: dict[str, Any]) -> Observed:
    """The volumes of these members are gone; all else as given, and otherwise well."""
    away = {f"s0_{place}": AWAY for place in places}
    volumes = tuple(volume(place, place in places) for place in range(3))
    return see(WANTED, change(build_members(WANTED), **{**away, **members}), volumes=volumes)


def test_a_standby_that_was_away_for_the_grace_begins_anew() -> None:
    decision = decide(WANTED, lose(1))
    assert isinstance(decision, Plan)
    assert decision.steps == (STEP,)


def test_a_member_that_is_merely_away_keeps_its_volume() -> None:
    observed = see(WANTED, change(build_members(WANTED), s0_1=AWAY), volumes=(volume(1, is_gone=False),))
    assert decide_replacement(WANTED, observed) == Settled()


UNFIT = {
    "within its grace": lose(1, s0_1={**AWAY, "unready_since": NOW - timedelta(minutes=9)}),
    "ready": lose(1, s0_1={}),
    "labelled as the leader": lose(1, s0_1={**AWAY, "role": "primary"}),
    "without a leader": lose(1, s0_0={"is_ready": False}),
    "beside a member that is away": lose(1, s0_2={**AWAY, "unready_since": NOW}),
    "being made anew": lose(1, s0_1={**AWAY, "is_leaving": True}),
}


@pytest.mark.parametrize("observed", UNFIT.values(), ids=UNFIT.keys())
def test_is_left_alone_and_the_status_says_what_it_waits_for(observed: Observed) -> None:
    assert decide_replacement(WANTED, observed) == Settled()
    (told,) = explain_lost(WANTED, observed)
    assert told.startswith("data-flights-s0-1 is gone for good: ")
    condition = {each.type: each for each in build_status(WANTED, observed, Settled()).conditions}["MemberLost"]
    assert (condition.status, condition.reason, condition.message) == ("True", "VolumeGone", told)


def test_the_leader_by_patronis_record_keeps_its_volume_though_it_has_no_label() -> None:
    observed = lose(1)
    state = replace(observed.objects.patroni["s0"], leader="flights-s0-1", sync_leader="flights-s0-1")
    led = replace(observed, objects=replace(observed.objects, patroni={"s0": state}))
    assert decide_replacement(WANTED, led) == Settled()


def test_nothing_is_given_up_while_patroni_says_that_another_one_has_the_commits() -> None:
    """The standby was promoted a moment ago, and the record of who has every commit is still the old leader's."""
    observed = lose(1)
    state = replace(observed.objects.patroni["s0"], sync_leader="flights-s0-1")
    torn = replace(observed, objects=replace(observed.objects, patroni={"s0": state}))
    assert decide_replacement(WANTED, torn) == Settled()


def test_without_the_check_of_the_leader_its_own_volume_would_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the tests above look for does happen without the guard."""
    monkeypatch.setattr(replacing, "_miss_leader", lambda volume, observed: "")
    assert isinstance(decide_replacement(WANTED, UNFIT["labelled as the leader"]), Plan)


def test_of_two_that_are_gone_one_is_made_anew_at_a_time() -> None:
    decision = decide_replacement(WANTED, lose(1, 2))
    assert isinstance(decision, Plan)
    assert decision.steps == (STEP,)
    copying = {**AWAY, "unready_since": NOW}
    volumes = (volume(1, is_gone=False), volume(2))
    once_begun = see(WANTED, change(build_members(WANTED), s0_1=copying, s0_2=AWAY), volumes=volumes)
    assert decide_replacement(WANTED, once_begun) == Settled()


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}], {"a"}),
        ([{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}], set()),
        (
            [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]},
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["z"]}]},
            ],
            set(),
        ),
        ([], set()),
    ],
)
def test_only_a_volume_that_can_be_on_named_nodes_alone_goes_with_them(terms: list[Any], names: set[str]) -> None:
    assert find_host_names({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}) == names
