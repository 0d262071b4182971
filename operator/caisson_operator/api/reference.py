"""Writes the reference of the resources' fields from the models: `python -m caisson_operator.api.reference FOLDER`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .definitions import all_definitions

Schema = dict[str, Any]

_HEADER = "<!-- Generated from operator/caisson_operator/api by `make generate`; do not edit. -->\n\n"


def render_references() -> dict[str, str]:
    """File name -> content, one page a kind."""
    return {f"{definition['spec']['names']['singular']}.md": _page(definition) for definition in all_definitions()}


def _page(definition: Schema) -> str:
    names = definition["spec"]["names"]
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{name}`" for name in names["shortNames"])
    api = f"{definition['spec']['group']}/{version['name']}"
    head = f"# {names['kind']}\n\n{schema['description']} Short name: {short}. API: `{api}`.\n"
    parts = [_section(name, schema["properties"][name]) for name in ("spec", "status")]
    return _HEADER + head + "".join(parts) + _rules(schema)


def _section(name: str, schema: Schema) -> str:
    rows = "".join(_row(path, part, required) for path, part, required in _fields(name, schema))
    return f"\n## {name}\n\n| field | type | default | what it is |\n|---|---|---|---|\n{rows}"


def _fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part, name in schema.get("required", [])
        inner = part.get("items", part)
        yield from _fields(f"{path}.{name}" + ("[]" if "items" in part else ""), inner)


def _row(path: str, schema: Schema, is_required: bool) -> str:
    description = " ".join(schema.get("description", "").split()).replace("|", "\\|")
    return f"| `{path}` | {_type(schema)} | {_default(schema, is_required)} | {description} |\n"


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema["type"] == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        return f"list by `{keys[0]}`" if keys else "list"
    bounds = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    return f"{schema['type']} {' to '.join(bounds)}" if len(bounds) == 2 else str(schema["type"])


def _default(schema: Schema, is_required: bool) -> str:
    if is_required:
        return "(required)"
    default = schema.get("default")
    return (
        "" if default in (None, "", {}, []) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    )


def _rules(schema: Schema) -> str:
    messages = list(dict.fromkeys(_messages(schema)))
    return "\n## What the API server refuses\n\n" + "".join(f"- {message}\n" for message in messages)


def _messages(schema: Schema) -> Iterator[str]:
    yield from (validation["message"] for validation in schema.get("x-kubernetes-validations", []))
    for part in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from _messages(part)


def main(folders: list[str]) -> int:
    if len(folders) != 1:
        print("usage: python -m caisson_operator.api.reference FOLDER", file=sys.stderr)
        return 2
    for name, content in render_references().items():
        (Path(folders[0]) / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
