"""A shard's catalog, in the server's words, becomes a `Shard` in ours: every column lands in its field."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from caisson_operator.core.layout import Bucket, Leaf
from caisson_operator.effects.postgres.catalog import OWN, Catalog
from caisson_operator.effects.postgres.records import FORMAT, NewerFormatError, dump_plan
from caisson_operator.sharded_database import observe_shards
from caisson_operator.sharded_database.observe_shards import build_shard
from caisson_operator.sharded_database.observed import (
    Attachment,
    Claim,
    GroupRecord,
    LeafState,
    PreparedTransaction,
    Subscription,
    TableFindings,
    WritingTransaction,
)
from caisson_operator.sharded_database.placement import form_switch_groups, place_initially, plan_moves
from fakes.observations import build_wanted

WANTED = build_wanted(2)
GROUP = WANTED.groups["aircraft"]
THEN, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def build_catalog(leaves: dict[str, tuple[bool, bool, bool]] | None = None, **own: Any) -> Catalog:
    return Catalog(
        timeline=3,
        standbys=[("flights-s0-1", True, 42, "caisson_replication_b")],
        schema_version=1,
        tables={},
        leaves=leaves or {},
        own=own,
    )


def build(**own: Any) -> Any:
    return build_shard("s0", build_catalog(**own), WANTED.groups)


def plan() -> dict[str, Any]:
    moves = plan_moves(place_initially(GROUP, ["s0"]), ["s0", "s1"])
    groups = form_switch_groups(2, moves, WANTED.groups, 2)
    loaded: dict[str, Any] = json.loads(dump_plan(1, 2, groups))
    return loaded


def test_a_server_without_our_schema_is_a_shard_with_nothing_on_it() -> None:
    shard = build_shard("s0", Catalog(1, [], 0, {}, {}, {}), WANTED.groups)
    assert (shard.timeline, shard.has_synchronous_standby, shard.schema_version) == (1, False, 0)
    assert (shard.shard_map, shard.leaves, shard.slots, shard.expansion, shard.open_fences) == ({}, {}, {}, None, 0)


def test_everything_that_is_read_of_a_shard_is_asked_for() -> None:
    """A name that one side knows alone would be empty for ever, in silence."""
    assert set(observe_shards._OWN_KEYS) == set(OWN)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ((False, False, False), LeafState(Attachment.LOOSE)),
        ((False, False, True), LeafState(Attachment.LOOSE, is_tombstoned=True)),
        ((True, False, False), LeafState(Attachment.ATTACHED)),
        ((True, False, True), LeafState(Attachment.ATTACHED, is_tombstoned=True)),
        ((True, True, True), LeafState(Attachment.DETACHING, is_tombstoned=True)),
    ],
)
def test_how_a_leaf_stands_to_its_parent(found: tuple[bool, bool, bool], state: LeafState) -> None:
    shard = build(leaves={"public.flights_b5": found})
    assert list(shard.leaves.values()) == [state]
    (leaf,) = shard.leaves
    assert (leaf.table, leaf.bucket) == ("flights", Bucket("aircraft", 5))


def test_tables_of_other_names_and_schemas_are_no_leaves() -> None:
    shard = build(leaves={"caisson.flights_b5": (True, False, False), "public.flights_b99": (True, False, False)})
    assert shard.leaves == {}
    absent = Leaf("public", "flights", Bucket("aircraft", 5), "")
    assert shard.leaf(absent) == LeafState(Attachment.ABSENT)


def test_rows_are_estimated_of_each_leaf() -> None:
    catalog = replace(build_catalog(), row_estimates={"flights_b5": 500})
    assert build_shard("s0", catalog, WANTED.groups).row_estimates == {"flights_b5": 500}


def test_a_shard_claims_only_what_its_map_says_of_itself() -> None:
    shard = build(map=[("aircraft", 1, "s0", 4), ("aircraft", 2, "s1", 7)])
    assert shard.shard_map[Bucket("aircraft", 2)] == Claim("s1", 7)
    assert shard.claims() == {Bucket("aircraft", 1): Claim("s0", 4)}


def test_a_record_of_a_switch_group_lands_column_by_column() -> None:
    row = (2, 1, 3, 4, THEN, LATER, True, 500, True, 6, LATER, 23.5)
    (found,) = build(groups=[row]).records.items()
    assert found == ((2, 1), GroupRecord(3, 4, THEN, LATER, True, 500, True, 6, LATER, 23.5))


def test_a_subscription_lands_column_by_column() -> None:
    shard = build(subscriptions=[("caisson_1_1", True, 3, 2, False)])
    assert shard.subscriptions == {"caisson_1_1": Subscription(True, 3, 2, False)}


def test_names_counts_and_sets_are_read() -> None:
    shard = build(
        publications=[("caisson_1_1",)],
        slots=[("caisson_1_1", 1024), ("pg_1_sync_2_3", 0)],
        spare=[(31, 60)],
        sentinels=[("sentinel_1_1",)],
        arrived=[("flights_b5", 12)],
        open_fences=[(1,)],
        prepared=[("left over", "caisson_app", "caisson", 12.5, True)],
        writer=[(42, "caisson_app", "loader", "caisson", 60.5)],
        shards=[("s0",), ("s1",)],
        migrations=[("001", "sum")],
    )
    assert shard.publications == {"caisson_1_1"}
    assert shard.slots == {"caisson_1_1": 1024, "pg_1_sync_2_3": 0}
    assert (shard.sentinels, shard.rows_arrived) == ({"sentinel_1_1"}, {"flights_b5": 12})
    assert (shard.spare_workers, shard.spare_slots) == (31, 60)
    assert shard.open_fences == 1
    assert shard.prepared_transactions == (PreparedTransaction("left over", "caisson_app", "caisson", 12.5, True),)
    assert shard.oldest_writer == WritingTransaction(42, "caisson_app", "loader", "caisson", 60.5)
    assert (shard.known_shards, shard.migrations) == ({"s0", "s1"}, {"001": "sum"})


def test_a_table_is_found_with_its_keys_and_whether_clients_know_it() -> None:
    found = {
        "kind": "p",
        "strategy": "h",
        "partition_key": ["tailnum"],
        "key_types": ["text"],
        "primary_key": ["tailnum", "seq"],
        "foreign_keys_to": [],
        "referenced_by": ["notes"],
        "has_deferrable_key": True,
        "nondeterministic_key": ["tailnum"],
    }
    catalog = Catalog(1, [], 1, {"flights": found}, {}, {"registered": [("flights",)]})
    (table,) = build_shard("s0", catalog, WANTED.groups).tables.values()
    key = ("tailnum",)
    assert table == TableFindings("p", "h", key, ("text",), ("tailnum", "seq"), (), True, ("notes",), True, key)


@pytest.mark.parametrize(("state", "is_finished"), [("Running", False), ("Completed", True)])
def test_a_plan_is_read_back_as_it_was_written(state: str, is_finished: bool) -> None:
    expansion = build(expansion=[(2, FORMAT, state, plan(), [20.5], THEN, LATER)]).expansion
    assert (expansion.number, expansion.from_shards, expansion.to_shards) == (2, 1, 2)
    assert (expansion.is_finished, expansion.pause_milliseconds, expansion.finished_at) == (is_finished, (20.5,), LATER)
    moves = plan_moves(place_initially(GROUP, ["s0"]), ["s0", "s1"])
    assert expansion.groups == form_switch_groups(2, moves, WANTED.groups, 2)


def test_a_plan_of_a_newer_operator_is_refused() -> None:
    with pytest.raises(NewerFormatError, match="upgrade it"):
        build(expansion=[(2, FORMAT + 1, "Running", plan(), [], THEN, None)])


def test_whom_a_shard_lets_in_of_its_members_and_who_comes_is_told() -> None:
    shard = build(member_roles=[("caisson_replication", "retired")], member_sessions=[("caisson_replication_b",)])
    assert shard.member_roles == {"caisson_replication": "retired"}
    assert shard.member_sessions == {"caisson_replication_b"}
    assert shard.standbys["flights-s0-1"].user == "caisson_replication_b"
