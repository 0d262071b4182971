"""Seeded storms, with every rule in force and with one of them switched off."""

from dataclasses import replace

import pytest

from .agent import ALL_GUARDS, Guards
from .checker import AcknowledgedCommitLost, Violation
from .replication import Mode
from .rules import PATRONIS_OWN_AT_BEST, REAL, Rules
from .storm import KINDS, WITH_OUTAGES, storm
from .world import World

STORMS = 60
Kinds = dict[str, int]


def all_storms(
    kinds: Kinds, guards: Guards = ALL_GUARDS, rules: Rules = REAL, seeds: range = range(STORMS)
) -> list[World]:
    worlds = [World(guards, rules=rules) for _ in seeds]
    for seed, world in zip(seeds, worlds, strict=True):
        storm(world, seed, kinds)
    return worlds


@pytest.mark.parametrize("seed", range(STORMS))
def test_nothing_acknowledged_is_lost_in_a_storm(seed: int) -> None:
    storm(World(), seed)


@pytest.mark.parametrize("mode", [Mode.ON, Mode.STRICT])
@pytest.mark.parametrize("rules", [REAL, PATRONIS_OWN_AT_BEST], ids=["real", "Patroni's own"])
@pytest.mark.parametrize("seed", range(STORMS))
def test_nor_where_the_store_fails_as_well(seed: int, rules: Rules, mode: Mode) -> None:
    storm(World(mode=mode, rules=rules), seed, WITH_OUTAGES)


# Few storms meet the one moment: these are the first that do.
AGENTS = [(Guards(touches_sync=False), range(120, 160)), (Guards(keeps_to_first_version=False), range(STORMS))]


@pytest.mark.parametrize(("guards", "seeds"), AGENTS, ids=str)
def test_storms_find_a_missing_safeguard_of_the_agent(guards: Guards, seeds: range) -> None:
    with pytest.raises(AcknowledgedCommitLost):
        all_storms(KINDS, guards, PATRONIS_OWN_AT_BEST, seeds)


PATRONIS = [
    (replace(PATRONIS_OWN_AT_BEST, races_only_if_named=False), range(STORMS)),
    (replace(PATRONIS_OWN_AT_BEST, renews_only_its_own=False), range(60, 80)),
    (replace(REAL, renews_only_its_own=False), range(140, 160)),
    (replace(PATRONIS_OWN_AT_BEST, cycles_are_short=False), range(STORMS)),
    (replace(PATRONIS_OWN_AT_BEST, watches_are_current=False), range(150, 170)),
    (replace(REAL, leads_only_if_named=False), range(STORMS)),
    (replace(REAL, writes_before_setting=False), range(960, 980)),
]


@pytest.mark.parametrize(("rules", "seeds"), PATRONIS, ids=str)
def test_storms_find_a_missing_rule_of_patroni(rules: Rules, seeds: range) -> None:
    with pytest.raises(Violation):
        all_storms(WITH_OUTAGES, rules=rules, seeds=seeds)


@pytest.mark.parametrize("kinds", [KINDS, WITH_OUTAGES], ids=["store well", "outages"])
def test_storms_do_see_leads_taken(kinds: Kinds) -> None:
    """Or they would show nothing."""
    assert sum(world.newest_timeline > 1 for world in all_storms(kinds)) > STORMS // 4
