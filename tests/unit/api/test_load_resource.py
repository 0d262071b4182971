"""The operator's own reading of a resource: what the API server would store is understood, all else refused clearly."""

from typing import Any

import pytest

from caisson_operator.api.resource import InvalidResource, load_sharded_database
from caisson_operator.api.sharded_database_spec import DeletionPolicy, Durability


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "caisson.dev/v1alpha1",
        "kind": "ShardedDatabase",
        "metadata": {"name": "flights", "namespace": "demo", "uid": "u", "generation": 3, "managedFields": []},
        "spec": {"storage": {"size": "2Gi"}, **spec},
        "status": {"anything": "is ignored"},
    }


def test_reads_defaults_and_names() -> None:
    database = load_sharded_database(manifest())
    assert (database.namespace, database.name, database.metadata.generation) == ("demo", "flights", 3)
    spec = database.spec
    assert (spec.shards, spec.members_per_shard, spec.durability) == (1, 2, Durability.SYNCHRONOUS)
    assert spec.deletion_policy is DeletionPolicy.RETAIN
    assert (spec.expansion.switch_groups, spec.expansion.pause_between_groups_seconds) == (8, 0.0)
    assert spec.database_schema.migrations == ()


def test_reads_nested_lists_and_numbers_as_quantities() -> None:
    spec = load_sharded_database(
        manifest(
            tables=[{"name": "planes", "key": ["tailnum"], "buckets": 8}],
            schema={"migrations": [{"id": "1", "sql": "SELECT 1"}]},
            resources={"limits": {"cpu": 1}},
            expansion={"pauseBetweenGroups": "1m500ms"},
        )
    ).spec
    assert (spec.tables[0].key, spec.tables[0].effective_group) == (("tailnum",), "planes")
    assert spec.resources.limits is not None
    assert spec.resources.limits.cpu == "1"
    assert spec.expansion.pause_between_groups_seconds == 60.5


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"colour": "red"}, "spec.colour: Extra inputs"),
        ({"shards": "2"}, "spec.shards: Input should be a valid integer"),
        ({"tables": [{"name": "Planes", "key": ["a"]}]}, "spec.tables.0.name"),
        ({"engine": {"type": "mysql"}}, "spec.engine.type"),
        ({"storage": {}}, "spec.storage.size: Field required"),
    ],
)
def test_names_the_field_that_is_wrong(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidResource) as refused:
        load_sharded_database(manifest(**spec))
    assert complaint in str(refused.value)
