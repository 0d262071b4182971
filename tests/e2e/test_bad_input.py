"""Bad input gets an error that says what is wrong, and what is there already stays as it is."""

from dataclasses import dataclass
from typing import Any

import pytest

from demo.cluster import CommandFailedError, get, wait_for
from demo.database import KIND, Database

NAMESPACE = "e2e-input"
PARTS = "CREATE TABLE parts (id bigint PRIMARY KEY) PARTITION BY HASH (id);"
BASE = {
    "shards": 1,
    "membersPerShard": 1,
    "durability": "asynchronous",
    "deletionPolicy": "Delete",
    "storage": {"size": "1Gi"},
    "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A resource that the API server takes, and what its condition must say about it."""

    name: str
    sql: str
    tables: tuple[str, ...]
    reason: str
    words: tuple[str, ...]


CASES = (
    Case("not-sql", "CREATE TABEL parts (id bigint);", ("parts",), "MigrationFailed", ("001", "syntax error", "TABEL")),
    Case(
        "no-key",
        "CREATE TABLE parts (id bigint, code text) PARTITION BY HASH (id);",
        ("parts",),
        "NoPrimaryKey",
        ("parts", "id", "primary key"),
    ),
    Case(
        "key-types",
        f"{PARTS} CREATE TABLE orders (id text PRIMARY KEY) PARTITION BY HASH (id);",
        ("orders", "parts"),
        "KeyTypesDiffer",
        ("orders", "parts", "bigint", "text"),
    ),
    Case(
        "foreign-key",
        f"{PARTS} CREATE TABLE orders (id bigint PRIMARY KEY REFERENCES parts) PARTITION BY HASH (id);",
        ("orders", "parts"),
        "ForeignKeyBetweenShardedTables",
        ("orders", "parts", "foreign key"),
    ),
)
GOOD = Case("good", PARTS, ("parts",), "", ())


def spec_of(case: Case, **changes: Any) -> dict[str, Any]:
    tables = [{"name": name, "key": ["id"], "group": "things", "buckets": 4} for name in case.tables]
    schema = {"migrations": [{"id": "001-things", "sql": case.sql}]}
    return {**BASE, "schema": schema, "tables": tables, **changes}


@pytest.fixture(scope="module")
def databases(namespace: str) -> dict[str, Database]:
    """All at once, so that their pods start side by side."""
    made = {case.name: Database(namespace, case.name) for case in (*CASES, GOOD)}
    for case in (*CASES, GOOD):
        made[case.name].apply(spec_of(case, shards=2) if case is GOOD else spec_of(case))
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_schema_that_cannot_be_is_explained_in_a_condition(databases: dict[str, Database], case: Case) -> None:
    condition = databases[case.name].wait_condition("SchemaApplied", "False", 240, case.reason)
    assert [word for word in case.words if word.lower() not in condition["message"].lower()] == []


def test_a_migration_that_failed_can_be_put_right(databases: dict[str, Database]) -> None:
    database = databases["not-sql"]
    database.wait_condition("SchemaApplied", "False", 240, "MigrationFailed")
    database.apply(spec_of(GOOD))
    database.wait_condition("SchemaApplied", "True", 120)
    database.wait_ready(60, 1)


def test_a_storage_class_that_does_not_exist_is_named_in_a_condition(namespace: str) -> None:
    database = Database(namespace, "no-class")
    database.apply(spec_of(GOOD, storage={"size": "1Gi", "storageClassName": "does-not-exist"}))
    wait_for("a condition that names the class", lambda: conditions_naming(database, "does-not-exist"), 120)


def conditions_naming(database: Database, word: str) -> list[str]:
    conditions = database.status().get("conditions", [])
    return [condition["type"] for condition in conditions if word in condition.get("message", "")]


def test_shards_cannot_be_lowered(databases: dict[str, Database]) -> None:
    database = databases["good"]
    database.wait_ready(240, 2)
    with pytest.raises(CommandFailedError, match="shards can only grow"):
        database.scale(1)
    assert database.read()["spec"]["shards"] == 2
    database.wait_ready(30, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sharts": 2}, "sharts"),
        ({"durability": "synchronous"}, "durability synchronous and strict need a standby"),
        (
            {
                "tables": [
                    {"name": "parts", "key": ["id"], "group": "things", "buckets": 4},
                    {"name": "orders", "key": ["id"], "group": "things", "buckets": 8},
                ]
            },
            "same number of buckets",
        ),
    ],
    ids=["unknown-field", "no-standby", "bucket-counts"],
)
def test_the_api_server_refuses_what_contradicts_itself(namespace: str, changes: dict[str, Any], words: str) -> None:
    database = Database(namespace, "refused")
    with pytest.raises(CommandFailedError, match=words):
        database.apply(spec_of(GOOD, **changes))
    assert get(KIND, database.name, namespace) is None
