"""What is done next about a cluster, and what is left alone: each case a state that was seen, and the decision about it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caisson_operator.backing_cluster import steps
from caisson_operator.backing_cluster.decide import decide
from caisson_operator.backing_cluster.observed import Observed, RedisView, find_leader
from caisson_operator.core.decisions import Plan, Refuse, Settled, Wait
from caisson_operator.core.volumes import Volume
from fakes.backing_clusters import (
    AUTHORITY,
    CERTIFICATE,
    IMAGES,
    NOW,
    PASSWORDS,
    apply_all,
    pods,
    settled_redis,
    settled_zookeeper,
    want,
    zookeeper_view,
)

REDIS, INDEPENDENT, ZOOKEEPER = want(), want(topology="independent"), want("zookeeper")
NEWER = replace(IMAGES, redis="redis:2", zookeeper="zookeeper:2")


def step_of(decision: object) -> object:
    assert isinstance(decision, Plan), decision
    return decision.steps[0]


def test_begins_with_passwords_then_certificates_then_the_record_of_the_epoch_then_the_objects() -> None:
    assert step_of(decide(REDIS, Observed(NOW))) == steps.MakeCredentials()
    with_passwords = Observed(NOW, passwords=PASSWORDS)
    assert step_of(decide(REDIS, with_passwords)) == steps.MakeAuthority()
    with_authority = replace(with_passwords, authority=AUTHORITY)
    assert step_of(decide(REDIS, with_authority)) == steps.IssueCertificate()
    certified = replace(with_authority, certificate=CERTIFICATE)
    assert step_of(decide(REDIS, certified)) == steps.MakeEpoch(0)
    assert isinstance(step_of(decide(ZOOKEEPER, certified)), steps.Apply)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"not_after": NOW + timedelta(days=30), "not_before": NOW - timedelta(days=60)}, "ends 2026-01-31"),
        ({"names": frozenset(["cache.demo.svc"])}, "for other names"),
        ({"authority_id": "another"}, "of another authority"),
    ],
)
@pytest.mark.parametrize("type", ["redis", "zookeeper"])
def test_a_certificate_is_renewed_for_a_reason_that_is_told(type: str, changes: dict[str, Any], why: str) -> None:
    wanted = want(type)
    seen = settled_redis(wanted) if wanted.is_redis else settled_zookeeper(wanted)
    decision = decide(wanted, replace(seen, certificate=replace(CERTIFICATE, **changes)))
    assert step_of(decision) == steps.IssueCertificate()
    assert why in str(decision)


def test_a_certificate_that_is_renewed_restarts_no_member_of_redis_and_is_left_alone_for_two_thirds_of_its_life() -> (
    None
):
    begun = replace(CERTIFICATE, not_before=NOW - timedelta(days=59), not_after=NOW + timedelta(days=31))
    assert decide(REDIS, settled_redis(REDIS, certificate=begun)) == Settled()
    assert decide(REDIS, settled_redis(REDIS, certificate=CERTIFICATE)) == Settled()


def test_more_members_need_no_other_certificate() -> None:
    larger = want(members=7)
    assert decide(larger, settled_redis(larger, certificate=CERTIFICATE)) == Settled()


def test_does_not_make_new_passwords_for_volumes_that_know_the_old_ones() -> None:
    decision = decide(REDIS, Observed(NOW, volumes=(Volume("data-cache-0", "", "cache-0", "uid"),)))
    assert isinstance(decision, Refuse)
    assert decision.reason == "CredentialsLost"


def test_a_record_of_the_epoch_that_somebody_deleted_begins_above_all_that_is_known() -> None:
    seen = settled_redis(REDIS, epoch=None, status={"epoch": 9})
    assert step_of(decide(REDIS, seen)) == steps.MakeEpoch(9)
    served = replace(seen, status={})
    assert step_of(decide(REDIS, served)) == steps.MakeEpoch(5)


def test_leaves_what_is_as_wanted_alone() -> None:
    assert decide(REDIS, settled_redis(REDIS)) == Settled()
    assert decide(INDEPENDENT, settled_redis(INDEPENDENT)) == Settled()
    assert decide(ZOOKEEPER, settled_zookeeper(ZOOKEEPER)) == Settled()


def test_of_two_primaries_the_one_of_the_higher_epoch_leads() -> None:
    old = RedisView(True, False, 4, 1, 0)
    new = RedisView(True, False, 5, 1, 2)
    assert find_leader(REDIS, Observed(NOW, redis={"cache-0": old, "cache-1": new})) == "cache-1"


def test_a_primary_whose_epoch_is_not_raised_yet_does_not_lead() -> None:
    assert find_leader(REDIS, Observed(NOW, redis={"cache-0": RedisView(True, False, 0, 1, 2)})) is None


# More and fewer members of Redis.


def test_more_members_get_pods_first_and_the_majority_is_raised_once_all_are_there() -> None:
    larger = want(members=5)
    seen = settled_redis(REDIS)
    assert isinstance(step_of(decide(larger, seen)), steps.Apply)
    applied = apply_all(larger, seen)
    assert applied.replicas == 5
    waiting = decide(larger, applied)
    assert isinstance(waiting, Wait)
    assert waiting.reason == "WaitingForMembers"
    there = replace(applied, pods=pods(larger))
    decision = decide(larger, there)
    assert isinstance(decision, Plan)
    assert steps.SetQuorum("10.0.0.0", 3) in decision.steps
    assert steps.SetLeastReplicas("10.0.0.0", 2) in decision.steps


def test_a_primary_that_is_to_go_hands_over_before_its_pod_goes() -> None:
    seen = settled_redis(want(members=5), leader=4)
    applied = apply_all(REDIS, seen)
    assert applied.replicas == 5, "its pod must stay while it leads"
    decision = decide(REDIS, applied)
    assert isinstance(decision, Plan)
    assert decision.steps == (
        steps.SetPriority("10.0.0.3", 0),
        steps.SetPriority("10.0.0.4", 0),
        steps.HandOver("10.0.0.0"),
    )


def test_once_a_member_that_stays_leads_the_others_go() -> None:
    seen = settled_redis(want(members=5), leader=1)
    assert apply_all(REDIS, seen).replicas == 3


def test_while_nobody_leads_no_pod_is_taken_away() -> None:
    seen = replace(settled_redis(want(members=5)), redis={})
    assert apply_all(REDIS, seen).replicas == 5


def stale(count: int) -> RedisView:
    return RedisView(False, True, 0, 1, 0, 100, "cache-0", 2, count, count)


def test_sentinels_forget_those_that_are_gone_one_after_the_other() -> None:
    seen = settled_redis(REDIS)
    remembering = {"cache-1": stale(4), "cache-2": stale(4)}
    first = replace(seen, redis={**seen.redis, **remembering})
    assert step_of(decide(REDIS, first)) == steps.ForgetMembers("10.0.0.1")
    finding = replace(first, redis={**first.redis, "cache-1": stale(1)})
    assert isinstance(decide(REDIS, finding), Wait), "the one that has just forgotten must find the others first"
    found = replace(first, redis={**first.redis, "cache-1": stale(2)})
    assert step_of(decide(REDIS, found)) == steps.ForgetMembers("10.0.0.2")


# More and fewer members of ZooKeeper.


def test_a_member_that_follows_gets_its_vote_one_at_a_time() -> None:
    views = {
        "cache-0": zookeeper_view("leader", 1),
        "cache-1": zookeeper_view("observer"),
        "cache-2": zookeeper_view("observer"),
    }
    seen = settled_zookeeper(ZOOKEEPER, zookeeper=views)
    step = step_of(decide(ZOOKEEPER, seen))
    assert isinstance(step, steps.AddMember)
    assert (step.number, step.version) == (2, 7)
    assert step.addresses == ("10.0.0.0", "10.0.0.1", "10.0.0.2")


def test_a_member_that_does_not_serve_yet_gets_no_vote() -> None:
    seen = settled_zookeeper(
        ZOOKEEPER, zookeeper={"cache-0": zookeeper_view("leader", 1), "cache-1": zookeeper_view("")}
    )
    unready = replace(
        seen, pods=(seen.pods[0], replace(seen.pods[1], is_ready=False), replace(seen.pods[2], is_ready=False))
    )
    assert isinstance(decide(ZOOKEEPER, unready), Wait)


def test_a_member_loses_its_vote_before_its_pod_goes() -> None:
    seen = settled_zookeeper(want("zookeeper", members=5))
    applied = apply_all(ZOOKEEPER, seen)
    assert applied.replicas == 5
    assert step_of(decide(ZOOKEEPER, applied)) == steps.RemoveMember(tuple(f"10.0.0.{n}" for n in range(5)), 5, 7)
    without = {name: zookeeper_view(view.mode, 1, 2, 3) for name, view in applied.zookeeper.items()}
    assert apply_all(ZOOKEEPER, replace(applied, zookeeper=without)).replicas == 3


def test_nobody_loses_or_gets_a_vote_without_a_quorum_of_the_others() -> None:
    three = settled_zookeeper(ZOOKEEPER)
    alone = {
        "cache-0": zookeeper_view("leader", 1, 2, 3),
        "cache-1": zookeeper_view(""),
        "cache-2": zookeeper_view("follower"),
    }
    decision = decide(
        want("zookeeper", members=1), apply_all(want("zookeeper", members=1), replace(three, zookeeper=alone))
    )
    assert isinstance(decision, Wait)
    assert decision.reason == "WaitingForQuorum"


def test_without_a_leader_the_ensemble_is_left_alone() -> None:
    seen = settled_zookeeper(want("zookeeper", members=5))
    leaderless = {name: zookeeper_view("") for name in seen.zookeeper}
    smaller = apply_all(ZOOKEEPER, replace(seen, zookeeper=leaderless))
    assert smaller.replicas == 5
    assert not isinstance(decide(ZOOKEEPER, smaller), Plan)


# Members that are out of date.


def test_replicas_are_restarted_before_the_primary_and_one_at_a_time() -> None:
    newer = want(images=NEWER)
    seen = apply_all(newer, settled_redis(REDIS, leader=2))
    step = step_of(decide(newer, seen))
    assert step == steps.Evict("cache-1", "uid-1")
    fresh = pods(newer)
    half = replace(seen, pods=(fresh[0], fresh[1], seen.pods[2]))
    assert step_of(decide(newer, half)) == steps.Evict("cache-2", "uid-2")


def test_followers_are_restarted_before_the_leader() -> None:
    newer = want("zookeeper", images=NEWER)
    seen = apply_all(newer, settled_zookeeper(ZOOKEEPER, leader=2))
    assert step_of(decide(newer, seen)) == steps.Evict("cache-1", "uid-1")


def test_servers_of_zookeeper_that_show_an_older_certificate_than_they_mount_are_restarted_the_leader_last() -> None:
    renewed = replace(CERTIFICATE, not_before=NOW + timedelta(hours=1))
    seen = settled_zookeeper(ZOOKEEPER, leader=2, certificate=renewed)
    assert step_of(decide(ZOOKEEPER, seen)) == steps.Evict("cache-1", "uid-1")
    fresh = {name: replace(view, certified_at=renewed.not_before) for name, view in seen.zookeeper.items()}
    followers = replace(seen, zookeeper={**fresh, "cache-2": seen.zookeeper["cache-2"]})
    assert step_of(decide(ZOOKEEPER, followers)) == steps.Evict("cache-2", "uid-2")
    assert decide(ZOOKEEPER, replace(seen, zookeeper=fresh)) == Settled()


def test_nobody_is_restarted_while_another_one_is_away() -> None:
    newer = want(images=NEWER)
    seen = apply_all(newer, settled_redis(REDIS))
    away = replace(seen, pods=(seen.pods[0], seen.pods[1], replace(pods(newer)[2], is_ready=False)))
    assert isinstance(decide(newer, away), Wait)


def test_one_that_is_out_of_date_and_does_not_come_up_is_made_anew_at_once() -> None:
    newer = want(images=NEWER)
    seen = apply_all(newer, settled_redis(REDIS))
    broken = replace(seen, pods=(*seen.pods[:2], replace(seen.pods[2], is_ready=False)))
    assert step_of(decide(newer, broken)) == steps.Evict("cache-2", "uid-2")


def test_another_number_of_members_restarts_nobody() -> None:
    larger = want(members=5)
    assert pods(larger)[0].template == pods(REDIS)[0].template
