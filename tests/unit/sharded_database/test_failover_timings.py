"""Timings of failover on their way from the resource to Patroni: nobody who asks for none is given any."""

from typing import Any

import pytest

from caisson_operator.core.decisions import Plan, Settled
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.configuring import decide_settings
from caisson_operator.sharded_database.manifests import build_cluster_settings
from caisson_operator.sharded_database.manifests.settings import HAS_TIMINGS
from caisson_operator.sharded_database.wanted import Wanted
from fakes.members import see
from fakes.observations import build_wanted

SHORTEST = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}
PATIENT = {"ttlSeconds": 60, "loopWaitSeconds": 10, "retryTimeoutSeconds": 20}
ASKED = {HAS_TIMINGS: True, "ttl": 60, "loop_wait": 10, "retry_timeout": 20}


def settings_of(wanted: Wanted, **more: Any) -> dict[str, Any]:
    made = build_cluster_settings(wanted.durability, wanted.members, wanted.storage_size, {}, wanted.failover)
    return {**SHORTEST, **made, **more}


def find_sent(wanted: Wanted, has: dict[str, Any]) -> dict[str, Any] | None:
    decision = decide_settings(wanted, see(wanted, settings={"s0": has}), is_expanding=False)
    if decision == Settled():
        return None
    assert isinstance(decision, Plan)
    (step,) = decision.steps
    assert isinstance(step, steps.ConfigureShard)
    return dict(step.settings)


def test_a_resource_without_timings_is_sent_none_whatever_somebody_has_set() -> None:
    wanted = build_wanted(1)
    assert not settings_of(wanted).keys() & {HAS_TIMINGS}
    assert find_sent(wanted, settings_of(wanted)) is None
    assert find_sent(wanted, settings_of(wanted, ttl=30, loop_wait=10)) is None


def test_timings_reach_a_shard_that_exists_and_one_that_is_made() -> None:
    wanted, before = build_wanted(1, failover=PATIENT), build_wanted(1)
    assert find_sent(wanted, settings_of(before)) == ASKED
    assert {key: settings_of(wanted)[key] for key in ASKED} == ASKED
    assert find_sent(wanted, settings_of(wanted)) is None


def test_what_is_left_out_is_the_shortest() -> None:
    assert find_sent(build_wanted(1, failover={"ttlSeconds": 40}), settings_of(build_wanted(1))) == {
        HAS_TIMINGS: True,
        "ttl": 40,
    }


def test_timings_that_are_taken_back_are_the_shortest_again() -> None:
    before, wanted = build_wanted(1, failover=PATIENT), build_wanted(1)
    assert find_sent(wanted, settings_of(before)) == {**SHORTEST, HAS_TIMINGS: None}
    assert find_sent(wanted, settings_of(wanted)) is None


@pytest.mark.parametrize("failover", [{"ttlSeconds": 19}, {"loopWaitSeconds": 0}, {"retryTimeoutSeconds": 2}])
def test_nothing_shorter_than_patroni_takes(failover: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="greater than or equal to"):
        build_wanted(1, failover=failover)
