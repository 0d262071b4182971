"""The generated schema is structural, described on every field, and what is checked in is what the models say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from caisson_operator.api.definitions import all_definitions
from caisson_operator.api.generate import main, render_definitions

REPOSITORY = Path(__file__).parents[3]
SCHEMAS = {
    definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for definition in all_definitions()
}


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from walk(part, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


FIELDS = dict(walk(SCHEMAS["ShardedDatabase"]))
EVERY = [(kind, path) for kind, schema in SCHEMAS.items() for path, _ in walk(schema)]
ALL = {kind: dict(walk(schema)) for kind, schema in SCHEMAS.items()}


def test_the_walk_sees_the_fields() -> None:
    assert {".spec.tables[].key[]", ".status.conditions[].reason", ".spec.resources.limits.cpu"} <= FIELDS.keys()


@pytest.mark.parametrize(("kind", "path"), EVERY)
def test_every_node_has_a_type_and_nothing_that_a_structural_schema_forbids(kind: str, path: str) -> None:
    schema = ALL[kind][path]
    assert not schema.keys() & {"$ref", "$defs", "title", "const", "nullable", "oneOf"}
    assert schema.get("x-kubernetes-int-or-string") or isinstance(schema.get("type"), str)
    assert "default" not in schema or schema["default"] is not None
    assert not ("additionalProperties" in schema and "properties" in schema)


@pytest.mark.parametrize(
    ("kind", "path"),
    [each for each in EVERY if each[1] not in ("", ".metadata") and not each[1].endswith(("[]", "{}"))],
)
def test_kubectl_explain_has_something_to_say_about_every_field(kind: str, path: str) -> None:
    assert len(ALL[kind][path].get("description", "")) > 5


@pytest.mark.parametrize(("kind", "path"), EVERY)
def test_every_list_and_every_text_of_the_spec_is_bounded(kind: str, path: str) -> None:
    schema = ALL[kind][path]
    if schema.get("type") == "array":
        assert schema["maxItems"] <= 200
    if schema.get("type") == "string" and path.startswith(".spec"):
        assert "maxLength" in schema or "enum" in schema


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (".spec.tables", "name"),
        (".spec.schema.migrations", "id"),
        (".status.shards", "name"),
        (".status.conditions", "type"),
    ],
)
def test_lists_are_maps_by_their_key(path: str, key: str) -> None:
    assert FIELDS[path]["x-kubernetes-list-type"] == "map"
    assert FIELDS[path]["x-kubernetes-list-map-keys"] == [key]
    assert key in FIELDS[f"{path}[]"]["required"]


def test_phases_are_free_text_so_that_an_old_definition_takes_a_new_operators_words() -> None:
    assert "enum" not in FIELDS[".status.phase"]
    assert "enum" not in FIELDS[".status.expansion.phase"]


def test_objects_with_defaults_inside_default_to_an_empty_one() -> None:
    for path in (".spec.engine", ".spec.schema", ".spec.expansion", ".spec.resources"):
        assert FIELDS[path]["default"] == {}


@pytest.mark.parametrize("folder", ["crds", "charts/caisson/files/crds"])
def test_the_definitions_that_are_checked_in_are_up_to_date(folder: str) -> None:
    for name, content in render_definitions().items():
        assert (REPOSITORY / folder / name).read_text() == content, "run `make generate`"


def test_the_generator_writes_plain_yaml(tmp_path: Path) -> None:
    assert main([str(tmp_path / "made")]) == 0
    written = [path.read_text() for path in (tmp_path / "made").iterdir()]
    by_name = {made["metadata"]["name"]: made for made in map(yaml.safe_load, written)}
    assert by_name == {definition["metadata"]["name"]: definition for definition in all_definitions()}
    assert not any("&id" in text for text in written)


def test_the_generator_wants_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
