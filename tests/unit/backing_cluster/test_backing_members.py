"""Volumes grow where they are, and a member whose volume is gone for good begins anew only where nothing is lost by it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caisson_operator.backing_cluster import replacing, steps
from caisson_operator.backing_cluster.decide import decide
from caisson_operator.backing_cluster.manifests import build_objects
from caisson_operator.backing_cluster.observed import Observed
from caisson_operator.backing_cluster.provisioning import build_shape
from caisson_operator.backing_cluster.replacing import LEASES_END_SECONDS, decide_replacement, explain_lost
from caisson_operator.backing_cluster.status import build_status
from caisson_operator.backing_cluster.wanted import Wanted
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Step, Wait
from caisson_operator.core.replacing import ReplaceMember
from caisson_operator.core.volumes import GrowVolume, Volume
from fakes.backing_clusters import (
    NOW,
    PASSWORDS,
    apply_all,
    settled_redis,
    settled_zookeeper,
    want,
    zookeeper_view,
)

GIBIBYTE = 1024**3
REDIS, INDEPENDENT, ZOOKEEPER = want(), want(topology="independent"), want("zookeeper")
AWAY: dict[str, Any] = {"is_ready": False, "address": "", "unready_since": NOW - timedelta(minutes=11)}
LEASES_ENDED: dict[str, Any] = {**AWAY, "unready_since": NOW - timedelta(seconds=LEASES_END_SECONDS)}
STEP = ReplaceMember("cache-1", "uid-1", "data-cache-1", "claim-1")


def settle(wanted: Wanted, leader: int = 0) -> Observed:
    return settled_redis(wanted, leader) if wanted.is_redis else settled_zookeeper(wanted, leader)


def volume(place: int, **changes: Any) -> Volume:
    name = f"cache-{place}"
    return replace(Volume(f"data-{name}", "", name, f"claim-{place}", GIBIBYTE, GIBIBYTE), **changes)


def lose(wanted: Wanted, *places: int, pod: dict[str, Any] = AWAY, leader: int = 0) -> Observed:
    """These members' volumes are gone, and nothing of them runs; `pod` is what is seen of theirs."""
    whole = settle(wanted, leader)
    names = {f"cache-{place}" for place in places}
    return replace(
        whole,
        pods=tuple(replace(each, **pod) if each.name in names else each for each in whole.pods),
        volumes=tuple(volume(each.ordinal, is_gone=each.name in names) for each in whole.pods),
        redis={name: view for name, view in whole.redis.items() if name not in names},
        zookeeper={name: view for name, view in whole.zookeeper.items() if name not in names},
    )


def take_votes(observed: Observed, *participants: int) -> Observed:
    views = {name: zookeeper_view(view.mode, *participants, version=8) for name, view in observed.zookeeper.items()}
    return replace(observed, zookeeper=views)


def change_pod(observed: Observed, name: str, **changes: Any) -> Observed:
    pods = tuple(replace(pod, **changes) if pod.name == name else pod for pod in observed.pods)
    return replace(observed, pods=pods)


def planned(decision: Decision) -> tuple[Step, ...]:
    assert isinstance(decision, Plan), decision
    return decision.steps


def test_a_replica_begins_anew_as_a_copy() -> None:
    assert planned(decide(REDIS, lose(REDIS, 1))) == (STEP,)


def test_an_independent_primary_begins_anew_once_every_lease_on_it_is_over() -> None:
    assert planned(decide(INDEPENDENT, lose(INDEPENDENT, 1, pod=LEASES_ENDED))) == (STEP,)


def test_a_member_of_zookeeper_loses_its_vote_before_its_volume_is_given_up() -> None:
    observed = lose(ZOOKEEPER, 1)
    assert planned(decide(ZOOKEEPER, observed)) == (steps.RemoveMember(("10.0.0.0", "10.0.0.2"), 2, 7),)
    assert planned(decide(ZOOKEEPER, take_votes(observed, 1, 3))) == (STEP,)


def test_once_it_follows_it_is_given_its_vote_again() -> None:
    anew = take_votes(settle(ZOOKEEPER), 1, 3)
    copied = replace(anew, zookeeper={**anew.zookeeper, "cache-1": zookeeper_view("observer", 1, 3)})
    (step,) = planned(decide(ZOOKEEPER, copied))
    assert isinstance(step, steps.AddMember)
    assert step.number == 2


def test_a_member_that_is_merely_away_keeps_its_volume() -> None:
    away = replace(lose(REDIS, 1), volumes=(volume(0), volume(1), volume(2)))
    assert decide_replacement(REDIS, away) == Settled()
    assert explain_lost(REDIS, away) == ()


LONELY = replace(lose(REDIS, 1, 2), redis={"cache-0": replace(settled_redis(REDIS).redis["cache-0"], replicas=0)})
LEASE_LEFT = {**AWAY, "unready_since": NOW - timedelta(hours=1)}
FORGETFUL = replace(
    lose(ZOOKEEPER, 1),
    zookeeper={"cache-0": zookeeper_view("leader", 1, 3), "cache-2": zookeeper_view("follower", 1, 2, 3)},
)
UNFIT = {
    "within its grace": (REDIS, lose(REDIS, 1, pod={**AWAY, "unready_since": NOW - timedelta(minutes=9)}), "replaced"),
    "the primary that has not been followed yet": (REDIS, lose(REDIS, 0), "no primary serves"),
    "while the primary has too few replicas": (REDIS, LONELY, "no primary serves"),
    "while it answers": (REDIS, replace(lose(REDIS, 1), redis=settle(REDIS).redis), "still answers"),
    "beside a member that is away": (
        want(members=5),
        change_pod(lose(want(members=5), 1), "cache-2", is_ready=False),
        "cache-2 must be ready",
    ),
    "being made anew": (REDIS, lose(REDIS, 1, pod={**AWAY, "is_leaving": True}), "being made anew"),
    "a lease on it may last": (INDEPENDENT, lose(INDEPENDENT, 1, pod=LEASE_LEFT), "is replaced at"),
    "nobody knows when it ended": (
        INDEPENDENT,
        lose(INDEPENDENT, 1, pod={**LEASES_ENDED, "node": "n1"}),
        "must end first on the node n1",
    ),
    "no leader to copy from": (ZOOKEEPER, lose(ZOOKEEPER, 0), "no leader"),
    "no majority of the others": (ZOOKEEPER, lose(ZOOKEEPER, 1, 2), "a majority of the others"),
    "not all know that it has no vote": (ZOOKEEPER, FORGETFUL, "cache-2 must know first"),
    "the only member": (want("zookeeper", members=1), lose(want("zookeeper", members=1), 0), "the data are lost"),
}


@pytest.mark.parametrize(("wanted", "observed", "why"), UNFIT.values(), ids=UNFIT.keys())
def test_is_left_alone_and_the_status_says_what_it_waits_for(wanted: Wanted, observed: Observed, why: str) -> None:
    assert decide_replacement(wanted, observed) == Settled()
    told = explain_lost(wanted, observed)
    assert why in told[0]
    condition = {each.type: each for each in build_status(wanted, observed, Settled()).conditions}["MemberLost"]
    assert (condition.status, condition.reason, condition.message) == ("True", "VolumeGone", "; ".join(told))


@pytest.mark.parametrize(
    ("guard", "case"),
    [
        ("_miss_others_data", "the primary that has not been followed yet"),
        ("_miss_others_data", "nobody knows when it ended"),
        ("miss_grace", "a lease on it may last"),
        ("_miss_quorum", "not all know that it has no vote"),
    ],
)
def test_without_the_guard_the_volume_would_be_given_up(guard: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the cases above look for does happen without it."""
    monkeypatch.setattr(replacing, guard, lambda *_: "")
    wanted, observed, _ = UNFIT[case]
    assert isinstance(decide_replacement(wanted, observed), Plan)


def test_of_two_that_are_gone_one_is_made_anew_at_a_time() -> None:
    wanted = want(members=5)
    observed = lose(wanted, 1, 2)
    assert planned(decide_replacement(wanted, observed)) == (STEP,)
    begun = replace(observed, volumes=(volume(0), volume(1), volume(2, is_gone=True), volume(3), volume(4)))
    assert decide_replacement(wanted, begun) == Settled()


def test_claims_that_ask_for_less_are_raised_and_the_stateful_set_keeps_its_size() -> None:
    larger = want(storage={"size": "2Gi"})
    observed = replace(settle(REDIS), volumes=(volume(0), volume(1, requested_bytes=2 * GIBIBYTE)), claimed_size="1Gi")
    assert planned(decide(larger, observed)) == (GrowVolume("data-cache-0", "claim-0", "2Gi"),)
    (made,) = [
        each
        for each in build_objects(larger, PASSWORDS, build_shape(larger, observed))
        if each["kind"] == "StatefulSet"
    ]
    assert made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_a_refusal_holds_nothing_up_and_is_told_in_the_end() -> None:
    larger = want(storage={"size": "2Gi"})
    observed = replace(settle(REDIS), volumes=(volume(0),), claimed_size="1Gi", refusals={"data-cache-0": "no"})
    applied = apply_all(larger, observed)
    assert decide(larger, applied) == Refuse("VolumeNotGrown", "no")
    outdated = change_pod(applied, "cache-1", template="older")
    assert planned(decide(larger, outdated)) == (steps.Evict("cache-1", "uid-1"),)
    growing = replace(applied, volumes=(volume(0, requested_bytes=2 * GIBIBYTE),))
    decision = decide(larger, growing)
    assert isinstance(decision, Wait)
    assert decision.reason == "VolumesGrow"
