"""Which bucket goes where: even shares, the fewest moves, and switch groups that each have one route."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caisson_operator.core.layout import Bucket, Table, TableGroup, shard_name
from caisson_operator.sharded_database.placement import Move, form_switch_groups, place_initially, plan_moves


def build_group(buckets: int, name: str = "aircraft") -> TableGroup:
    return TableGroup(name, buckets, (Table("flights", ("tailnum",), name, "hash", buckets),))


def name_shards(count: int) -> list[str]:
    return [shard_name(index) for index in range(count)]


def apply(owners: dict[Bucket, str], moves: tuple[Move, ...]) -> dict[Bucket, str]:
    for move in moves:
        assert owners[move.bucket] == move.source
    return owners | {move.bucket: move.target for move in moves}


@given(shards=st.integers(1, 12), buckets=st.integers(1, 96))
def test_first_placement_is_even_and_in_runs_of_neighbours(shards: int, buckets: int) -> None:
    placed = place_initially(build_group(buckets), name_shards(min(shards, buckets)))
    in_order = [owner for _, owner in sorted(placed.items())]
    assert in_order == sorted(in_order, key=lambda name: int(name[1:]))
    shares = Counter(in_order).values()
    assert max(shares) - min(shares) <= 1
    assert len(placed) == buckets


@given(
    owners=st.lists(st.integers(0, 5), min_size=1, max_size=64),
    shards=st.integers(6, 9),
)
def test_moves_balance_any_placement_and_none_is_wasted(owners: list[int], shards: int) -> None:
    names = name_shards(shards)
    before = {Bucket("aircraft", number): shard_name(owner) for number, owner in enumerate(owners)}
    moves = plan_moves(before, names)
    after = Counter(dict.fromkeys(names, 0))
    after.update(apply(before, moves).values())
    assert max(after.values()) - min(after.values()) <= 1
    share, extra = divmod(len(before), shards)
    held = sorted(Counter(dict.fromkeys(names, 0) | Counter(before.values())).values(), reverse=True)
    fewest = sum(max(0, has - (share + (place < extra))) for place, has in enumerate(held))
    assert len(moves) == fewest, "only what is over a shard's share moves"


@given(shards=st.integers(1, 8), more=st.integers(1, 8), buckets=st.integers(16, 96))
def test_old_shards_only_give_and_new_ones_only_receive_as_a_database_grows(
    shards: int, more: int, buckets: int
) -> None:
    old, new = name_shards(shards), name_shards(shards + more)
    moves = plan_moves(place_initially(build_group(buckets), old), new)
    assert {move.source for move in moves} <= set(old)
    assert {move.target for move in moves} <= set(new) - set(old)


@given(counts=st.lists(st.integers(1, 8), min_size=2, max_size=6, unique=True).map(sorted))
def test_growing_step_by_step_stays_even(counts: list[int]) -> None:
    owners = place_initially(build_group(24), name_shards(counts[0]))
    for count in counts[1:]:
        owners = apply(owners, plan_moves(owners, name_shards(count)))
        shares = [list(owners.values()).count(name) for name in name_shards(count)]
        assert max(shares) - min(shares) <= 1


def test_a_balanced_database_moves_nothing() -> None:
    names = name_shards(4)
    assert plan_moves(place_initially(build_group(16), names), names) == ()


@given(buckets=st.integers(4, 64), wanted=st.integers(1, 20))
def test_every_move_is_in_one_switch_group_of_one_route(buckets: int, wanted: int) -> None:
    group = build_group(buckets)
    moves = plan_moves(place_initially(group, name_shards(2)), name_shards(4))
    groups = form_switch_groups(3, moves, {"aircraft": group}, wanted)
    found = {Move(g.source, g.target, Bucket(g.tables.name, number)) for g in groups for number in g.buckets}
    assert found == set(moves)
    assert sum(len(g.buckets) for g in groups) == len(moves)
    assert [g.number for g in groups] == list(range(1, len(groups) + 1))
    assert {g.expansion for g in groups} == {3}
    assert len({(g.link, g.sentinel) for g in groups}) == len(groups)


@pytest.mark.parametrize(("wanted", "expected"), [(1, 2), (2, 2), (4, 4), (8, 8), (100, 8)])
def test_there_are_about_as_many_switch_groups_as_were_asked_for(wanted: int, expected: int) -> None:
    group = build_group(16)
    moves = plan_moves(place_initially(group, name_shards(2)), name_shards(4))
    assert len(form_switch_groups(1, moves, {"aircraft": group}, wanted)) == expected


def test_routes_take_turns_so_that_early_switches_relieve_every_source() -> None:
    group = build_group(16)
    moves = plan_moves(place_initially(group, name_shards(2)), name_shards(4))
    sources = [g.source for g in form_switch_groups(1, moves, {"aircraft": group}, 4)]
    assert sources == ["s0", "s1", "s0", "s1"]


def test_tables_of_different_groups_never_share_a_switch_group() -> None:
    groups = {name: build_group(4, name) for name in ("aircraft", "tickets")}
    moves = [m for group in groups.values() for m in plan_moves(place_initially(group, ["s0"]), ["s0", "s1"])]
    formed = form_switch_groups(1, moves, groups, 1)
    assert [(g.tables.name, len(g.buckets)) for g in formed] == [("aircraft", 2), ("tickets", 2)]
