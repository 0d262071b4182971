"""A change of durability or membersPerShard reaches shards that exist: what is sent, to whom, and what waits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.api.resource import load_sharded_database
from caisson_operator.core.content import CONTENT
from caisson_operator.core.decisions import Decision, Plan, Refuse, Settled, Wait
from caisson_operator.core.layout import Bucket, SwitchGroup
from caisson_operator.sharded_database import provisioning, steps
from caisson_operator.sharded_database.configuring import decide_settings, find_changes, wait_for_standbys
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.manifests import build_cluster_settings
from caisson_operator.sharded_database.manifests.settings import ANY_LAG_BYTES, MOST_LAG, TOLERABLE_LAG_BYTES
from caisson_operator.sharded_database.observed import Claim, Expansion, Objects, Observed, Pod, Shard
from caisson_operator.sharded_database.wanted import Engine, Wanted, read_wanted
from fakes.observations import certify

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DISCARDING = {"remove_data_directory_on_rewind_failure": True, "remove_data_directory_on_diverged_timelines": True}


def wanted(durability: str, members: int = 2, shards: int = 1, is_paused: bool = False) -> Wanted:
    spec = {
        "shards": shards,
        "membersPerShard": members,
        "durability": durability,
        "storage": {"size": "1Gi"},
        "schema": {"migrations": [{"id": "001", "sql": "CREATE TABLE flights ()"}]},
        "tables": [{"name": "flights", "key": ["tailnum"], "strategy": "hash", "buckets": 4}],
        "expansion": {"paused": is_paused},
    }
    metadata = {"name": "flights", "namespace": "demo", "uid": "0"}
    return read_wanted(load_sharded_database({"metadata": metadata, "spec": spec}), Engine("image"))


def settings_of(wish: Wanted) -> dict[str, Any]:
    """As Patroni keeps them: ours beside what the image and people have set."""
    ours = build_cluster_settings(wish.durability, wish.members, wish.storage_size, wish.parameters)
    engine = {**ours["postgresql"], "use_slots": True}
    return {**ours, "ttl": 20, "postgresql": engine}


def members(shard: str, *roles: str, is_ready: bool = True) -> tuple[Pod, ...]:
    return tuple(Pod(f"flights-{shard}-{place}", shard, role, is_ready) for place, role in enumerate(roles))


def observed(
    has: Wanted, shards: tuple[str, ...] = ("s0",), is_protected: bool = False, expansion: Expansion | None = None
) -> Observed:
    """Shards that run with the settings that `has` would give them, and whose objects are as the resource wants them."""
    pods = tuple(pod for shard in shards for pod in members(shard, "replica", "primary"))
    objects = Objects(
        claimed_sizes=dict.fromkeys(shards, "1Gi"),
        pods=pods,
        settings={shard: settings_of(has) for shard in shards},
        **certify(has),
    )
    found = {name: Shard(name, 1, is_protected, expansion=expansion) for name in shards}
    return Observed(NOW, objects, found)


def provisioned(wish: Wanted, observation: Observed) -> Observed:
    made = provisioning.build_objects(wish, observation.objects, observation.objects.login)
    stamps = {(m["kind"], m["metadata"]["name"]): m["metadata"]["annotations"][CONTENT] for m in made}
    return replace(observation, objects=replace(observation.objects, contents=stamps, **certify(wish)))


def sent(decision: Decision) -> Mapping[str, Mapping[str, Any]]:
    """Shard -> what it is sent."""
    assert isinstance(decision, Plan)
    assert all(isinstance(step, steps.ConfigureShard) for step in decision.steps)
    return {step.shard: step.settings for step in decision.steps if isinstance(step, steps.ConfigureShard)}


@pytest.mark.parametrize("durability", ["asynchronous", "synchronous", "strict"])
@pytest.mark.parametrize("is_protected", [True, False])
def test_sends_nothing_where_the_settings_are_as_wanted(durability: str, is_protected: bool) -> None:
    wish = wanted(durability)
    seen = observed(wish, is_protected=is_protected)
    assert decide_settings(wish, seen, is_expanding=False) == Settled()
    assert wait_for_standbys(wish, seen) == Settled()


def test_a_wish_for_synchronous_is_sent_to_every_shard_and_nothing_else_is() -> None:
    seen = observed(wanted("asynchronous"), ("s0", "s1"))
    decision = decide_settings(wanted("synchronous", shards=2), seen, is_expanding=False)
    assert sent(decision) == {"s0": {"synchronous_mode": True}, "s1": {"synchronous_mode": True}}


def test_members_throw_their_data_away_and_lead_with_a_lag_only_once_a_synchronous_standby_has_it_all() -> None:
    wish, before = wanted("synchronous"), observed(wanted("asynchronous"))
    half = {**settings_of(wanted("asynchronous")), "synchronous_mode": True}
    waiting = replace(before, objects=replace(before.objects, settings={"s0": half}))
    assert decide_settings(wish, waiting, is_expanding=False) == Settled()
    held = wait_for_standbys(wish, waiting)
    assert isinstance(held, Wait)
    assert (held.reason, "s0" in held.message) == ("NoSynchronousStandby", True)

    protected = replace(waiting, shards={"s0": Shard("s0", 1, has_synchronous_standby=True)})
    assert sent(decide_settings(wish, protected, is_expanding=False)) == {
        "s0": {MOST_LAG: ANY_LAG_BYTES, "postgresql": DISCARDING}
    }


def test_an_unread_shard_counts_as_one_without_a_standby() -> None:
    seen = replace(observed(wanted("asynchronous"), is_protected=True), shards={})
    assert sent(decide_settings(wanted("strict"), seen, is_expanding=False)) == {
        "s0": {"synchronous_mode": True, "synchronous_mode_strict": True}
    }


def test_asynchronous_stops_the_throwing_away_in_the_same_change() -> None:
    seen = observed(wanted("strict"), is_protected=True)
    assert sent(decide_settings(wanted("asynchronous"), seen, is_expanding=False)) == {
        "s0": {
            "synchronous_mode": False,
            "synchronous_mode_strict": False,
            MOST_LAG: TOLERABLE_LAG_BYTES,
            "postgresql": dict.fromkeys(DISCARDING, False),
        }
    }


def test_one_member_alone_waits_for_nobody() -> None:
    seen = observed(wanted("strict"), is_protected=True)
    changes = sent(decide_settings(wanted("asynchronous", members=1), seen, is_expanding=False))
    assert changes["s0"]["synchronous_mode_strict"] is False


def test_a_shard_that_has_not_bootstrapped_or_has_no_member_is_left_for_later() -> None:
    seen = observed(wanted("asynchronous"))
    wish = wanted("synchronous")
    unborn = replace(seen, objects=replace(seen.objects, settings={}))
    assert decide_settings(wish, unborn, is_expanding=False) == Settled()
    deserted = replace(seen, objects=replace(seen.objects, pods=members("s1", "primary")))
    assert decide_settings(wish, deserted, is_expanding=False) == Settled()


@pytest.mark.parametrize(
    ("pods", "chosen"),
    [
        (members("s0", "replica", "primary"), "flights-s0-1"),
        (members("s0", "replica", "replica"), "flights-s0-0"),
        ((*members("s0", "primary", is_ready=False), Pod("flights-s0-1", "s0", "replica", True)), "flights-s0-1"),
        (members("s0", "", is_ready=False), "flights-s0-0"),
    ],
)
def test_sends_through_the_primary_or_else_whoever_is_ready(pods: tuple[Pod, ...], chosen: str) -> None:
    seen = observed(wanted("asynchronous"))
    seen = replace(seen, objects=replace(seen.objects, pods=pods))
    decision = decide_settings(wanted("synchronous"), seen, is_expanding=False)
    assert isinstance(decision, Plan)
    assert [step.member for step in decision.steps if isinstance(step, steps.ConfigureShard)] == [chosen]


def test_an_asynchronous_database_expands_once_it_is_made_synchronous() -> None:
    before = observed(wanted("asynchronous"))
    owning = replace(before.shards["s0"], shard_map={Bucket("flights", 0): Claim("s0", 1)})
    before = replace(before, shards={"s0": owning})
    refused = decide(wanted("asynchronous", shards=2), before)
    assert isinstance(refused, Refuse)
    assert refused.reason == "DurabilityAsynchronous"
    assert "set spec.durability to synchronous first" in refused.message

    wish = wanted("synchronous", shards=2)
    assert isinstance(decide(wish, before), Plan)
    assert sent(decide(wish, provisioned(wish, before))) == {"s0": {"synchronous_mode": True}}
    after = replace(before, objects=replace(before.objects, settings={"s0": settings_of(wish)}))
    waiting = decide(wish, provisioned(wish, after))
    assert isinstance(waiting, Wait)
    assert waiting.reason == "ShardsNotReady"


def running(wish: Wanted) -> Expansion:
    group = SwitchGroup(1, 1, "s0", "s1", wish.groups["flights"], (0, 1))
    return Expansion(1, (group,), 1, 2, is_finished=False, started_at=NOW)


def test_an_expansion_that_waits_lets_its_shards_become_synchronous() -> None:
    """A second member was asked for while it runs: its switch waits for the standby that these settings make."""
    wish = wanted("synchronous", shards=2, is_paused=True)
    seen = observed(wanted("asynchronous", members=1), ("s0", "s1"), expansion=running(wish))
    assert set(sent(decide(wish, provisioned(wish, seen)))) == {"s0", "s1"}


def test_a_step_of_an_expansion_comes_before_settings() -> None:
    wish = wanted("synchronous", shards=2)
    seen = observed(wanted("asynchronous", members=1), ("s0", "s1"), expansion=running(wish))
    decision = decide(wish, provisioned(wish, seen))
    assert isinstance(decision, Plan)
    assert decision.reason == "Copying"


def test_no_shard_becomes_asynchronous_while_an_expansion_runs() -> None:
    wish = wanted("asynchronous", shards=2, is_paused=True)
    seen = observed(wanted("synchronous"), ("s0", "s1"), is_protected=True, expansion=running(wish))
    decision = decide(wish, provisioned(wish, seen))
    assert isinstance(decision, Wait)
    assert decision.reason == "Paused"

    done = observed(wanted("synchronous"), ("s0", "s1"), is_protected=True)
    assert sent(decide(wish, provisioned(wish, done)))["s1"]["synchronous_mode"] is False


@pytest.mark.parametrize(
    ("current", "wish", "changes"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, {}),
        ({}, {"a": False}, {"a": False}),
        ({"p": {"x": 1, "y": 2}}, {"p": {"x": 3}}, {"p": {"x": 3}}),
        ({"p": {"x": 1}}, {"p": {"x": 1}}, {}),
        ({"p": None}, {"p": {"x": {"y": 1}}}, {"p": {"x": {"y": 1}}}),
        ({"p": "text"}, {"p": {"x": 1}}, {"p": {"x": 1}}),
    ],
)
def test_finds_what_differs_at_any_depth(
    current: dict[str, Any], wish: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert find_changes(current, wish) == changes
