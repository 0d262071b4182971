"""`expand`: counts that agree with the operator's own plans, refusals that help, and one field that is patched."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caisson_operator.core.layout import Bucket, TableGroup
from caisson_operator.sharded_database.placement import Move, place_initially, plan_moves
from fakes.databases import COPYING, PATH, build_database, build_shard, serve
from kubectl_caisson.errors import NotSo
from kubectl_caisson.expand import build_plan_document, plan, set_paused
from kubectl_caisson.placement_counts import count_moves, count_shares
from kubectl_caisson.resource import read_database


def names(count: int) -> list[str]:
    return [f"s{number}" for number in range(count)]


def apply_moves(owners: dict[Bucket, str], moves: tuple[Move, ...]) -> dict[Bucket, str]:
    return {**owners, **{move.bucket: move.target for move in moves}}


@st.composite
def growths(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Sizes of table groups, and numbers of shards that rise: made with the first, expanded to each of the others."""
    sizes = draw(st.lists(st.integers(8, 70), min_size=1, max_size=3))
    steps = draw(st.lists(st.integers(1, 8), min_size=2, max_size=3, unique=True))
    return sizes, sorted(steps)


@given(growths())
def test_the_counts_hold_for_the_operators_own_plans(growth: tuple[list[int], list[int]]) -> None:
    sizes, steps = growth
    groups = [TableGroup(f"g{number}", size, ()) for number, size in enumerate(sizes)]
    owners = [place_initially(group, names(steps[0])) for group in groups]
    for count in steps[1:]:
        before = Counter(owner for group in owners for owner in group.values())
        held = {name: before[name] for name in names(count) if name in before}
        planned = [plan_moves(group, names(count)) for group in owners]
        owners = [apply_moves(group, moves) for group, moves in zip(owners, planned, strict=True)]
        after = Counter(owner for group in owners for owner in group.values())
        new = [name for name in names(count) if name not in held]
        shares = count_shares(held, new, sizes)
        assert [share.shard for share in shares] == names(count)
        for share in shares:
            assert share.least <= after[share.shard] <= share.most
            assert share.most - share.least <= (0 if len(sizes) == 1 else len(sizes))
        assert count_moves(held, new, sizes) == sum(len(moves) for moves in planned)


def test_the_plan_shows_who_gives_and_who_receives_and_says_that_these_are_counts() -> None:
    shown = plan(read_database(build_database()), 4)
    assert "demo/flights: 2 -> 4 shards, 32 of 64 buckets move" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["s0", "32", "16", "-16"] in rows
    assert ["s3", "new", "16", "+16"] in rows
    assert "These are counts" in shown
    assert "kubectl scale sdb/flights -n demo --replicas=4" in shown


def test_tables_of_one_group_move_together_and_count_once() -> None:
    manifest = build_database()
    manifest["spec"]["tables"] = [
        {"name": "planes", "key": ["tailnum"], "group": "aircraft", "buckets": 64},
        {"name": "flights", "key": ["tailnum"], "group": "aircraft", "buckets": 64},
    ]
    assert "32 of 64 buckets move" in plan(read_database(manifest), 4)


def test_where_several_groups_leave_a_doubt_the_plan_shows_it() -> None:
    manifest = build_database(shards=[build_shard("s0", 8), build_shard("s1", 6)])
    manifest["spec"]["tables"] = [{"name": name, "key": ["k"], "buckets": 7} for name in ("a", "b")]
    rows = [line.split("   ") for line in plan(read_database(manifest), 3).splitlines()]
    assert any("4 to 6" in [cell.strip() for cell in row] for row in rows)


def test_the_document_of_a_plan_has_the_same_counts() -> None:
    document = build_plan_document(read_database(build_database()), 4)
    assert (document["fromShards"], document["toShards"], document["bucketsMoved"]) == (2, 4, 32)
    assert document["shards"][3] == {"name": "s3", "bucketsNow": 0, "bucketsLeast": 16, "bucketsMost": 16}


@pytest.mark.parametrize(
    ("status", "spec", "shards", "says"),
    [
        ({}, {}, 2, "shards can only grow for now"),
        ({}, {}, 65, "a table group has 64 buckets"),
        ({}, {"tables": []}, 4, "has no sharded table"),
        ({"expansion": COPYING}, {}, 8, "an expansion to 2 shards is under way"),
        ({}, {"shards": 4}, 8, "an expansion to 4 shards is under way"),
        ({"shards": [build_shard("s0", 32), build_shard("s1", 0)]}, {}, 4, "does not account for every bucket"),
    ],
)
def test_what_could_not_begin_is_refused_with_its_reason(
    status: dict[str, Any], spec: dict[str, Any], shards: int, says: str
) -> None:
    manifest = build_database(**status)
    manifest["spec"].update(spec)
    with pytest.raises(NotSo, match=says):
        plan(read_database(manifest), shards)


def test_an_asynchronous_database_is_warned_of() -> None:
    manifest = build_database()
    manifest["spec"]["durability"] = "asynchronous"
    assert "It would not begin" in plan(read_database(manifest), 4)


@pytest.mark.parametrize("is_paused", [True, False])
def test_pause_and_resume_patch_one_field(is_paused: bool) -> None:
    manifest = build_database(expansion=COPYING)
    manifest["spec"]["expansion"] = {"switchGroups": 4, "paused": not is_paused}
    kube = serve(manifest)
    said = set_paused(kube, "demo", "flights", is_paused)
    assert kube.objects[PATH]["spec"]["expansion"] == {"switchGroups": 4, "paused": is_paused}
    assert ("do not leave it so for long" if is_paused else "the expansion goes on") in said


def test_what_is_so_already_is_not_written_again() -> None:
    kube = serve()
    assert set_paused(kube, "demo", "flights", False) == "demo/flights is not paused already"
    assert "patch" not in [verb for verb, _ in kube.asked]


def test_a_pause_without_an_expansion_says_what_it_will_do() -> None:
    assert "no expansion runs; the next one would wait" in set_paused(serve(), "demo", "flights", True)
