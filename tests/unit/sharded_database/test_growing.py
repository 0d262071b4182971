"""Volumes that are smaller than wanted are raised where they are, and nothing counts on room that is not there yet."""

from dataclasses import replace
from typing import Any

from caisson_operator.core.decisions import Plan, Refuse, Settled, Wait
from caisson_operator.core.volumes import GrowVolume, Volume
from caisson_operator.sharded_database.configuring import decide_settings
from caisson_operator.sharded_database.decide import decide
from caisson_operator.sharded_database.growing import decide_growth, find_storage_size, judge_growth
from caisson_operator.sharded_database.observed import Observed
from caisson_operator.sharded_database.provisioning import build_objects
from caisson_operator.sharded_database.wanted import Wanted
from fakes.members import change, see
from fakes.observations import build_wanted

GIBIBYTE = 1024**3
BEFORE, WANTED = build_wanted(1), build_wanted(1, storage={"size": "2Gi"})


def volume(place: int = 0, **changes: Any) -> Volume:
    name = f"flights-s0-{place}"
    return replace(Volume(f"data-{name}", "s0", name, f"uid-{place}", GIBIBYTE, GIBIBYTE), **changes)


def observe(wanted: Wanted, *volumes: Volume) -> Observed:
    return see(wanted, volumes=volumes, claimed_sizes={"s0": "1Gi"})


def test_claims_that_ask_for_less_are_raised() -> None:
    growth = decide(WANTED, observe(WANTED, volume(0, requested_bytes=2 * GIBIBYTE), volume(1)))
    assert isinstance(growth, Plan)
    assert growth.steps == (GrowVolume("data-flights-s0-1", "uid-1", "2Gi"),)


def test_a_claim_that_asks_for_more_is_left_alone() -> None:
    assert decide_growth(BEFORE, observe(BEFORE, volume(0, requested_bytes=4 * GIBIBYTE))) == Settled()


def test_a_claim_that_is_not_bound_or_says_nothing_is_left_alone() -> None:
    odd = (volume(0, is_bound=False), volume(1, requested_bytes=0, capacity_bytes=0))
    assert decide_growth(WANTED, observe(WANTED, *odd)) == Settled()


def test_waits_for_a_volume_that_has_been_raised_and_not_grown() -> None:
    decision = judge_growth(WANTED, observe(WANTED, volume(0, requested_bytes=2 * GIBIBYTE)))
    assert isinstance(decision, Wait)
    assert decision.reason == "VolumesGrow"


def test_a_volume_that_is_full_grows_though_its_shard_cannot_be_reached() -> None:
    decision = decide(WANTED, replace(observe(WANTED, volume(0), volume(1)), shards={}))
    assert isinstance(decision, Plan)
    assert decision.reason == "GrowingVolumes"


def test_a_refusal_holds_nothing_up_and_is_told_in_the_end() -> None:
    refusals = {"data-flights-s0-0": "cannot grow: no"}
    refused = replace(observe(WANTED, volume(0), volume(1, requested_bytes=2 * GIBIBYTE)), refusals=refusals)
    assert decide_growth(WANTED, refused) == Settled()
    assert judge_growth(WANTED, refused) == Refuse("VolumeNotGrown", "cannot grow: no")
    old = replace(
        refused, objects=replace(refused.objects, pods=change(refused.objects.pods, s0_1={"template": "older"}))
    )
    assert isinstance(decide(WANTED, old), Plan)


def test_the_stateful_set_keeps_the_size_that_its_claims_were_made_with() -> None:
    objects = observe(WANTED).objects
    (stateful_set,) = [made for made in build_objects(WANTED, objects, objects.login) if made["kind"] == "StatefulSet"]
    (claim,) = stateful_set["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_the_smallest_volume_of_a_shard_says_how_much_log_may_be_kept() -> None:
    grown = volume(0, requested_bytes=2 * GIBIBYTE, capacity_bytes=2 * GIBIBYTE)
    assert find_storage_size("s0", WANTED, observe(WANTED, grown, volume(1))) == str(GIBIBYTE)
    assert find_storage_size("s0", WANTED, observe(WANTED, grown)) == "2Gi"
    assert find_storage_size("s0", WANTED, observe(WANTED)) == "2Gi"
    before = replace(observe(WANTED, volume(0), volume(1)), objects=observe(BEFORE, volume(0), volume(1)).objects)
    assert decide_settings(WANTED, before, is_expanding=False) == Settled()
