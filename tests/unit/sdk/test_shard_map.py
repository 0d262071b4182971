"""What the map believes, and what it does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caisson import BadKey, ConfigurationError, UnknownTable
from caisson.shard_map import Address, Placement, ShardMap, ShardView, Table, merge

FLIGHTS = Table("flights", "aircraft", ("tailnum",), ("text",), "hash", 8)
PLANES = replace(FLIGHTS, name="planes")
TRIPS = Table("trips", "trips", ("crew", "day"), ("bigint", "date"), "hash", 4)


def view(shard: str, owned: dict[int, int], **changes: object) -> ShardView:
    addresses = {shard: Address(f"{shard}.svc", 5432, f"{shard}-ro.svc")}
    whole = ShardView(shard, "flights", addresses, (FLIGHTS,), {("aircraft", b): e for b, e in owned.items()}, 1)
    return replace(whole, **changes)  # type: ignore[arg-type]


def owner(shards: ShardMap, bucket: int) -> tuple[str, int] | None:
    placement = shards.placements.get(("aircraft", bucket))
    return None if placement is None else (placement.shard, placement.epoch)


def test_the_highest_epoch_wins_in_either_order() -> None:
    old, new = view("s0", {3: 1}), view("s1", {3: 2})
    for first, second in ((old, new), (new, old)):
        assert owner(merge(merge(ShardMap(), first), second), 3) == ("s1", 2)


def test_a_bucket_that_nobody_claims_keeps_its_entry() -> None:
    shards = merge(merge(ShardMap(), view("s0", {3: 1})), view("s0", {}))
    assert owner(shards, 3) == ("s0", 1)


def test_nothing_new_is_the_same_object() -> None:
    shards = merge(ShardMap(), view("s0", {3: 1}))
    assert merge(shards, view("s0", {3: 1})) is shards


@given(st.permutations([("s0", 1), ("s1", 2), ("s2", 3), ("s0", 4), ("s3", 5)]))
def test_the_order_of_hearing_does_not_matter(claims: list[tuple[str, int]]) -> None:
    shards = ShardMap()
    for shard, epoch in claims:
        shards = merge(shards, view(shard, {0: epoch}))
    assert owner(shards, 0) == ("s3", 5)


@given(st.lists(st.tuples(st.sampled_from(["s0", "s1", "s2"]), st.integers(1, 9)), max_size=30))
def test_an_epoch_never_falls(claims: list[tuple[str, int]]) -> None:
    shards, last = ShardMap(), 0
    for shard, epoch in claims:
        shards = merge(shards, view(shard, {0: epoch}))
        assert shards.placements["aircraft", 0].epoch >= last
        last = shards.placements["aircraft", 0].epoch


def test_a_pinned_address_wins_and_borrows_the_read_host() -> None:
    shards = merge(ShardMap(), view("s0", {}), {"s0": Address("127.0.0.1", 7000)})
    assert shards.addresses["s0"] == Address("127.0.0.1", 7000, "s0-ro.svc")


def test_a_shard_of_another_database_is_refused() -> None:
    shards = merge(ShardMap(), view("s0", {}))
    with pytest.raises(ConfigurationError, match="belongs to database 'other'"):
        merge(shards, view("s1", {}, database="other"))


def test_a_single_group_is_implied_and_several_have_to_be_named() -> None:
    one = merge(ShardMap(), view("s0", {}, tables=(FLIGHTS, PLANES)))
    assert one.group(None).group == "aircraft"
    two = merge(one, view("s0", {}, tables=(FLIGHTS, PLANES, TRIPS)))
    with pytest.raises(UnknownTable, match="2 table groups: aircraft, trips"):
        two.group(None)
    assert two.group("trips") == TRIPS
    with pytest.raises(UnknownTable, match="no sharded table 'x'; there are: flights, planes, trips"):
        two.group("x")


def test_without_any_table_the_error_says_so() -> None:
    with pytest.raises(UnknownTable, match="0 table groups: none"):
        ShardMap().group(None)


def test_keys_that_fit_no_column_are_named() -> None:
    shards = ShardMap()
    for table, key in ((FLIGHTS, 1), (FLIGHTS, ("a", "b")), (TRIPS, 7), (FLIGHTS, ["a"]), (FLIGHTS, {})):
        with pytest.raises(BadKey):
            shards.bucket(table, key)


def test_a_placement_is_comparable_so_that_a_gate_is_checked_once() -> None:
    assert Placement("g", 1, "s0", 1) == Placement("g", 1, "s0", 1)
