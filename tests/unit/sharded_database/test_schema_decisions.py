"""What a shard's schema still needs, in its order, and every reason to refuse, with the words that a person reads."""

from dataclasses import replace
from typing import Any

import pytest

from caisson_operator.core.decisions import Plan, Refuse, Settled
from caisson_operator.core.layout import Bucket
from caisson_operator.sharded_database import steps
from caisson_operator.sharded_database.observed import Expansion, TableFindings
from caisson_operator.sharded_database.schema import decide_schema
from caisson_operator.sharded_database.table_faults import FAULTS, SUPPORTED_KEY_TYPES
from fakes.observations import FIT, FLIGHTS, NOW, build_wanted, settle

WANTED = build_wanted(2)


def decide_with(**changes: Any) -> Any:
    return decide_schema(WANTED, settle(WANTED, **changes))


def find(**changes: Any) -> dict[str, TableFindings]:
    return {"flights": replace(FIT, **changes), "planes": FIT}


def test_a_settled_schema_needs_nothing() -> None:
    assert decide_with() == Settled()


UNFIT: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": ""}, "TableMissing", "no migration has made it"),
    ({"kind": "r"}, "TableNotPartitioned", "PARTITION BY HASH (tailnum)"),
    ({"strategy": "r"}, "TableNotPartitioned", "PARTITION BY HASH (tailnum)"),
    ({"partition_key": ("seq",)}, "WrongPartitionKey", "partitioned by (seq), but declared with key (tailnum)"),
    ({"primary_key": ()}, "NoPrimaryKey", "needs a primary key that contains (tailnum)"),
    ({"primary_key": ("seq",)}, "NoPrimaryKey", "needs a primary key that contains (tailnum)"),
    ({"key_types": ("numeric",)}, "KeyTypeNotSupported", "has a key of type numeric; supported: bigint"),
    ({"foreign_keys_to": ("planes",)}, "ForeignKeyBetweenShardedTables", "foreign key from flights to planes"),
    ({"foreign_keys_to": ("flights",)}, "ForeignKeyBetweenShardedTables", "foreign key from flights to flights"),
    ({"foreign_keys_to": ("airlines",)}, "ForeignKeyToUnshardedTable", "flights has a foreign key to airlines"),
    (
        {"referenced_by": ("notes",)},
        "ForeignKeyFromUnshardedTable",
        "notes, which is not sharded, has a foreign key to",
    ),
    ({"has_deferrable_key": True}, "DeferrablePrimaryKey", "flights has a DEFERRABLE primary key"),
    ({"nondeterministic_key": ("tailnum",)}, "KeyCollationNotDeterministic", "not deterministic (tailnum)"),
    ({"key_types": ("bigint",)}, "KeyTypesDiffer", "flights has (bigint), planes has (text)"),
]


@pytest.mark.parametrize(
    ("changes", "reason", "message"), UNFIT, ids=lambda value: value if isinstance(value, str) else ""
)
def test_refuses_a_table_that_cannot_be_spread(changes: dict[str, Any], reason: str, message: str) -> None:
    decision = decide_with(tables=find(**changes))
    assert isinstance(decision, Refuse)
    assert decision.reason == reason
    assert message in decision.message


def test_a_table_that_was_not_found_at_all_is_missing() -> None:
    decision = decide_with(tables={"planes": FIT})
    assert isinstance(decision, Refuse)
    assert decision.reason == "TableMissing"


@pytest.mark.parametrize("type", sorted(SUPPORTED_KEY_TYPES))
def test_takes_every_supported_key_type(type: str) -> None:
    found = {name: replace(FIT, key_types=(type,)) for name in ("flights", "planes")}
    shards = {name: replace(shard, tables=found) for name, shard in settle(WANTED).items()}
    assert decide_schema(WANTED, shards) == Settled()


def test_every_fault_is_known_to_the_condition_that_tells_it() -> None:
    assert {reason for _, reason, _ in UNFIT} == FAULTS


def test_a_primary_key_may_contain_more_than_the_sharding_key() -> None:
    assert decide_with(tables=find(primary_key=("seq", "tailnum"))) == Settled()


def test_refuses_a_migration_that_was_changed_after_it_was_applied() -> None:
    decision = decide_with(migrations={"001": "another"})
    assert isinstance(decision, Refuse)
    assert decision.reason == "MigrationChanged"
    assert "put its old text back" in decision.message


def test_migrations_are_applied_in_their_order_on_each_shard_that_lacks_them() -> None:
    texts = [{"id": name, "sql": "SELECT"} for name in ("b", "a")]
    wanted = build_wanted(2, schema={"migrations": texts})
    done = {migration.id: migration.checksum for migration in wanted.migrations[:1]}
    decision = decide_schema(wanted, settle(wanted, migrations=done))
    assert isinstance(decision, Plan)
    found = [(s.shard, s.id, s.position) for s in decision.steps if isinstance(s, steps.ApplyMigration)]
    assert found == [("s0", "a", 2)]


ORDER: list[tuple[dict[str, Any], type[steps.OnShard]]] = [
    ({"schema_version": 0, "known_shards": frozenset(), "migrations": {}}, steps.InstallSchema),
    ({"known_shards": frozenset(["s0"]), "migrations": {}}, steps.PublishShards),
    ({"migrations": {}, "tables": {}}, steps.ApplyMigration),
    ({"tables": find(is_registered=False), "shard_map": {}}, steps.RegisterTables),
    ({"shard_map": {}, "leaves": {}}, steps.PlaceBuckets),
    ({"leaves": {}}, steps.PlaceBuckets),
]


@pytest.mark.parametrize(("changes", "expected"), ORDER)
def test_the_first_thing_that_is_missing_comes_first(changes: dict[str, Any], expected: type[steps.OnShard]) -> None:
    decision = decide_with(**changes)
    assert isinstance(decision, Plan)
    assert [(type(step), getattr(step, "shard", "")) for step in decision.steps] == [(expected, "s0")]


def test_an_owner_keeps_its_buckets_when_a_table_is_added_to_their_group() -> None:
    wanted = build_wanted(2, tables=[FLIGHTS])
    shards = settle(wanted)
    wider = build_wanted(2)
    known = {name: replace(shard, tables={"flights": FIT, "planes": FIT}) for name, shard in shards.items()}
    decision = decide_schema(wider, known)
    assert isinstance(decision, Plan)
    placed = {s.shard: {b.number for b in s.buckets} for s in decision.steps if isinstance(s, steps.PlaceBuckets)}
    assert placed == {"s0": {0, 1, 2, 3}, "s1": {4, 5, 6, 7}}


def test_a_bucket_that_has_an_owner_is_never_placed_on_another() -> None:
    wanted = build_wanted(4)
    shards = settle(build_wanted(2))
    empty = {n: replace(shards["s0"], name=n, shard_map={}, leaves={}) for n in ("s2", "s3")}
    known = {n: replace(s, known_shards=frozenset(wanted.shards)) for n, s in (shards | empty).items()}
    assert decide_schema(wanted, known) == Settled()


def test_while_an_expansion_runs_no_migration_is_applied_and_no_leaf_made() -> None:
    running = Expansion(1, (), 1, 2, is_finished=False, started_at=NOW)
    assert decide_with(migrations={}, shard_map={}, expansion=running) == Settled()
    over = replace(running, is_finished=True)
    assert isinstance(decide_with(migrations={}, expansion=over), Plan)


def test_shards_learn_of_each_other_even_while_an_expansion_runs() -> None:
    running = Expansion(1, (), 1, 2, is_finished=False, started_at=NOW)
    decision = decide_with(known_shards=frozenset(), expansion=running)
    assert isinstance(decision, Plan)
    assert decision.reason == "PublishingShards"


def test_first_placement_covers_every_bucket_once() -> None:
    wanted = build_wanted(2)
    bare = {name: replace(shard, shard_map={}, leaves={}) for name, shard in settle(wanted).items()}
    decision = decide_schema(wanted, bare)
    assert isinstance(decision, Plan)
    placed = [bucket for step in decision.steps if isinstance(step, steps.PlaceBuckets) for bucket in step.buckets]
    assert sorted(placed) == [Bucket("aircraft", number) for number in range(8)]
