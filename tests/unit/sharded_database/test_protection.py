"""Who else has a shard's commits, and why nobody may be promoted: the arithmetic that the conditions tell."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.core.decisions import Settled, Wait
from caisson_operator.sharded_database.observed import Observed, Pod
from caisson_operator.sharded_database.patroni_state import PatroniState
from caisson_operator.sharded_database.protection import explain_blocked, explain_unprotected, list_unprotected
from caisson_operator.sharded_database.protection import wait_for_synchronous_standbys as wait
from caisson_operator.sharded_database.recorded import Recorded
from caisson_operator.sharded_database.status import build_status
from caisson_operator.sharded_database.wanted import Wanted
from fakes.observations import build_wanted
from fakes.patroni import WANTED, A, B, C, pod, pods, see, server, state

ASYNCHRONOUS = build_wanted(1, durability="asynchronous")
ALONE = build_wanted(1, durability="asynchronous", membersPerShard=1)
STRICT = build_wanted(1, durability="strict")
BARE = server(standby="")
EARLIER = datetime(2026, 1, 1, 11, 30, tzinfo=UTC)


def conditions(observed: Observed, wanted: Wanted = WANTED) -> dict[str, tuple[str, str, str]]:
    status = build_status(wanted, observed, Settled())
    return {c.type: (c.status.value, c.reason, c.message) for c in status.conditions}


@pytest.mark.parametrize(
    ("wanted", "shards", "expected"),
    [
        (WANTED, server(), ()),
        (WANTED, BARE, ("s0",)),
        (STRICT, BARE, ("s0",)),
        (ASYNCHRONOUS, BARE, ()),
        (ALONE, BARE, ()),
        (WANTED, {}, ()),
    ],
)
def test_a_shard_is_unprotected_where_a_standby_was_asked_for_and_is_not_there(
    wanted: Wanted, shards: Any, expected: tuple[str, ...]
) -> None:
    assert list_unprotected(wanted, see(shards=shards, wanted=wanted)) == expected


@pytest.mark.parametrize(
    ("patroni", "members", "expected"),
    [
        (state(A, ""), pods(b=pod(B, is_ready=False)), ("s0",)),
        (state(A, B), pods(), ()),
        (state(A, ""), pods(a=pod(A, is_ready=False)), ()),  # it may be gone: that is for FailoverBlocked to say
        (state("", ""), pods(), ()),
    ],
)
def test_a_primary_that_only_the_operator_cannot_reach_is_judged_by_what_patroni_recorded(
    patroni: PatroniState, members: Any, expected: tuple[str, ...]
) -> None:
    observed = see(patroni, members=members, shards={})
    assert list_unprotected(WANTED, observed) == expected
    assert (conditions(observed)["Unprotected"][:2] == ("True", "NoSynchronousStandby")) == bool(expected)


def test_unprotected_says_since_when_and_what_it_means() -> None:
    recorded = Recorded(unprotected_since={"s0": EARLIER})
    status, reason, message = conditions(see(state(A, ""), shards=BARE, recorded=recorded))["Unprotected"]
    assert (status, reason) == ("True", "NoSynchronousStandby")
    assert message == (
        f"s0: no synchronous standby since 2026-01-01T11:30:00Z: acknowledged writes are on {A} alone, "
        "and are lost if its volume is"
    )


def test_the_first_look_at_it_is_its_beginning_and_the_status_keeps_it() -> None:
    (shard,) = build_status(WANTED, see(shards=BARE), Settled()).shards
    assert shard.unprotected_since == see().now
    (shard,) = build_status(WANTED, see(), Settled()).shards
    assert shard.unprotected_since is None


def test_under_strict_writes_wait_and_nothing_is_unprotected() -> None:
    found = conditions(see(shards=BARE, wanted=STRICT), STRICT)
    assert found["Unprotected"][:2] == ("False", "WritesWait")
    assert "writes wait until there is one" in found["Unprotected"][2]
    assert found["Degraded"][:2] == ("True", "NoSynchronousStandby")


@pytest.mark.parametrize(
    ("observed", "wanted", "told"),
    [
        (see(), WANTED, ("False", "Protected")),
        (see(shards=BARE, wanted=ASYNCHRONOUS), ASYNCHRONOUS, ("False", "NotAskedFor")),
        (see(shards={}), WANTED, ("Unknown", "ShardsNotReady")),
    ],
)
def test_nothing_is_said_to_be_protected_that_was_not_seen(
    observed: Observed, wanted: Wanted, told: tuple[str, str]
) -> None:
    assert conditions(observed, wanted)["Unprotected"][:2] == told


def test_degraded_says_the_same_as_unprotected() -> None:
    found = conditions(see(shards=BARE))
    assert found["Degraded"][:2] == found["Unprotected"][:2] == ("True", "NoSynchronousStandby")


def test_names_the_primary_where_no_leader_is_recorded() -> None:
    assert "on the primary alone" in explain_unprotected("s0", WANTED.durability, see(state("")))


@pytest.mark.parametrize("observed", [see(shards=BARE), see(state(A, ""))], ids=["not synchronous", "not recorded"])
def test_looks_again_for_a_standby_that_is_there_and_not_synchronous_yet(observed: Observed) -> None:
    decision = wait(WANTED, observed)
    assert isinstance(decision, Wait)
    assert decision.reason == "NoSynchronousStandby"
    assert wait(ASYNCHRONOUS, observed) == Settled()


def test_waits_for_no_standby_that_is_away_or_there_already() -> None:
    away = pods(b=pod(B, is_ready=False))
    assert wait(WANTED, see(members=away, shards=BARE)) == Settled(), "its pod wakes the operator when it is back"
    assert wait(WANTED, see()) == Settled()


# The leader's record and the synchronous standby; the members; the shard cannot be read.
GONE_A = pod(A, is_ready=False, is_running=False)
GONE_B = pod(B, is_ready=False, is_running=False)
HELD_UP = [
    pytest.param(
        state(A, ""),
        pods(a=GONE_A),
        f"s0: no primary; only {A} has every acknowledged commit: {A} (is not running); "
        f"{B} (running, 0 bytes behind) may lack commits and is not promoted",
        id="the primary died alone: its former standby may lack commits",
    ),
    pytest.param(
        state(A, "", renewed_at=EARLIER),
        pods(a=pod(A, "primary", is_ready=False)),
        f"s0: no primary; only {A} has every acknowledged commit: {A} (hangs: it runs, and has not renewed its lead since "
        f"2026-01-01T11:30:00Z); {B} (running, 0 bytes behind) may lack commits and is not promoted",
        id="the primary hangs: what it told last of itself is worth nothing",
    ),
    pytest.param(
        state(A, B),
        pods(a=None, b=GONE_B),
        f"s0: no primary; only {A} and {B} have every acknowledged commit: {A} (has no pod) and {B} (is not running)",
        id="both are gone",
    ),
    pytest.param(
        state("", C, sync_leader=A),
        (GONE_A, pod(B, is_ready=False, position=9_000_000), pod(C, is_ready=False, state="start failed")),
        f"s0: no primary; only {A} and {C} have every acknowledged commit: {A} (is not running) and "
        f"{C} (runs, but its PostgreSQL is start failed); {B} (running, 1000000 bytes behind) may lack commits and is not promoted",
        id="the one that may has a broken PostgreSQL",
    ),
    pytest.param(
        state(A, B),
        (GONE_A, pod(B, is_ready=False, position=8_000_000)),
        f"s0: no primary; only {A} and {B} have every acknowledged commit: {A} (is not running) and "
        f"{B} (is 2000000 bytes behind, and Patroni promotes nobody that is more than 1048576 behind)",
        id="the standby is farther behind than Patroni allows",
    ),
]


@pytest.mark.parametrize(("patroni", "members", "message"), HELD_UP)
def test_blocked_says_the_arithmetic(patroni: PatroniState, members: tuple[Pod, ...], message: str) -> None:
    observed = see(patroni, members, shards={})
    assert explain_blocked(WANTED, observed) == (message,)
    found = conditions(observed)
    assert found["FailoverBlocked"] == ("True", "NoCandidate", message)
    assert found["Degraded"][:2] == ("True", "FailoverBlocked")


@pytest.mark.parametrize(
    ("patroni", "members"),
    [
        (state(), pods()),  # only the operator cannot reach it
        (state(), pods(a=None, b=pod(B, is_ready=False))),  # B does not stream any more, and will be promoted
        (state("", sync_leader=A), pods(a=GONE_A)),
        (state(A, ""), pods(a=pod(A, is_ready=False, state="starting"))),  # it comes back by itself
        (state(A, ""), pods(a=pod(A, is_ready=False))),  # it renewed a moment ago
        (state(A, "", renewed_at=EARLIER), pods()),  # it is ready: only the store does not hear of it
    ],
)
def test_a_failover_that_is_on_its_way_is_not_blocked(patroni: PatroniState, members: tuple[Pod, ...]) -> None:
    observed = see(patroni, members, shards={})
    assert explain_blocked(WANTED, observed) == ()
    assert conditions(observed)["FailoverBlocked"][:2] == ("False", "NotBlocked")


def test_a_shard_that_has_a_primary_is_not_blocked_whatever_its_pods_say() -> None:
    assert explain_blocked(WANTED, see(state(A, ""), pods(a=None))) == ()


def test_a_shard_that_was_never_made_is_not_blocked() -> None:
    observed = see(members=(), shards={})
    assert explain_blocked(WANTED, replace(observed, objects=replace(observed.objects, patroni={}))) == ()


LEADERLESS = state(A, "", sync_leader="")
LAGGING = pod(B, is_ready=False, position=8_999_999)


@pytest.mark.parametrize(
    ("members", "settings"),
    [(pods(a=GONE_A), {}), (pods(a=GONE_A, b=LAGGING), {"maximum_lag_on_failover": 2_000_000})],
)
def test_an_asynchronous_shard_takes_any_member_that_is_not_too_far_behind(
    members: tuple[Pod, ...], settings: Mapping[str, Any]
) -> None:
    assert explain_blocked(ASYNCHRONOUS, see(LEADERLESS, members, {}, wanted=ASYNCHRONOUS, settings=settings)) == ()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (pods(a=GONE_A, b=LAGGING), f"no member can lead: {A} (is not running) and {B} (is 1000001 bytes behind"),
        (pods(a=None, b=None), "s0: no primary; it has no member"),
    ],
)
def test_an_asynchronous_shard_is_blocked_where_everybody_is_gone_or_far_behind(
    members: tuple[Pod, ...], words: str
) -> None:
    settings = {"maximum_lag_on_failover": 1_000_000}
    (told,) = explain_blocked(ASYNCHRONOUS, see(LEADERLESS, members, {}, wanted=ASYNCHRONOUS, settings=settings))
    assert words in told
