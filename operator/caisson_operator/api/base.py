"""What every model on the wire shares: strict, frozen, camelCase, each field described for `kubectl explain`."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from caisson_operator.core.quantities import DURATION_PATTERN, QUANTITY_PATTERN


class Wire(BaseModel):
    """A part of a custom resource. Unknown fields are errors: a newer resource must not be half understood."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        use_enum_values=False,
    )


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# YAML reads `cpu: 1` as a number, and Kubernetes takes both everywhere else.
Quantity = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Field(pattern=QUANTITY_PATTERN, max_length=20),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 20,
        }
    ),
]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=20)]
SqlName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$", max_length=30)]
ColumnName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$", max_length=63)]
ShortText = Annotated[str, Field(max_length=63)]
Message = Annotated[str, Field(max_length=2048)]


def rule(expression: str, message: str, with_values: str = "") -> dict[str, str]:
    """One CEL rule of the API server, with what a person reads when it says no.

    `with_values` is CEL that makes the same sentence with the object's own values; `message` is what the reference shows, and
    what is said where that cannot be evaluated. `format` in it takes Kubernetes 1.30.
    """
    told = {"messageExpression": with_values} if with_values else {}
    return {"rule": expression, "message": message, **told}


def rules(*validations: dict[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(validations)}


def keyed_by(*keys: str) -> dict[str, Any]:
    """A list whose items are merged, and compared with their older selves, by `keys` and not by position."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


# The API server fills in the defaults inside of an object only where there is one.
EMPTY: dict[str, Any] = {"default": {}}
