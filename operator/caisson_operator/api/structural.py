"""Turns pydantic's JSON Schema into the structural schema of a CustomResourceDefinition.

The API server takes neither references nor unions with null: references are inlined, optional fields are fields that
may be absent, and unknown fields need no ban, for a structural schema prunes them and a strict client refuses them.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = {"title", "additionalProperties", "const"}
_DESCENDED = {"properties", "items", "anyOf"}


def structural_schema(model: type[BaseModel]) -> Schema:
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(document, document.get("$defs", {}))


def _convert(schema: Schema, definitions: Schema) -> Schema:
    schema = _inlined(_without_null(schema), definitions)
    if "x-kubernetes-int-or-string" in schema:
        return {name: value for name, value in schema.items() if name != "title" and value is not None}
    converted = {name: value for name, value in schema.items() if _is_kept(name, value)}
    if "const" in schema:
        converted["enum"] = [schema["const"]]
    if "properties" in schema:
        converted["properties"] = {name: _convert(part, definitions) for name, part in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        converted["additionalProperties"] = _convert(schema["additionalProperties"], definitions)
    if "items" in schema:
        converted["items"] = _convert(schema["items"], definitions)
    return _with_integer_format(converted)


def _is_kept(name: str, value: object) -> bool:
    if name == "default":
        return value is not None
    return name not in _DROPPED | _DESCENDED and not name.startswith("$")


def _inlined(schema: Schema, definitions: Schema) -> Schema:
    """What stands beside a reference describes the field, and wins over what describes the type."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    merged = {**_inlined(target, definitions), **beside}
    validations = target.get("x-kubernetes-validations", []) + beside.get("x-kubernetes-validations", [])
    return {**merged, "x-kubernetes-validations": validations} if validations else merged


def _without_null(schema: Schema) -> Schema:
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if "x-kubernetes-int-or-string" in schema or len(options) != 1:
        return schema
    beside = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**options[0], **beside}


def _with_integer_format(schema: Schema) -> Schema:
    return {**schema, "format": "int64"} if schema.get("type") == "integer" else schema
