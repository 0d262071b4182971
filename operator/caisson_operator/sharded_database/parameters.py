"""PostgreSQL's own parameters as a user wants them: whether the server would take a value, before any member is given it. Pure.

Patroni writes what it is given into the server's configuration, and a standby that is restarted with a value that the server
does not take stays down. What the server says of its parameters (`pg_settings`) is enough to tell beforehand.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caisson_operator.core.decisions import Refused

_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|B|kB|MB|GB|TB)?\s*")
_BOOLEANS = frozenset(["on", "off", "true", "false", "yes", "no", "1", "0"])
# https://www.postgresql.org/docs/15/config-setting.html#CONFIG-SETTING-NAMES-VALUES
_BYTES = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """One row of `pg_settings`. Minimum and maximum are in `unit`, which is empty where values have none."""

    name: str
    type: str
    unit: str = ""
    minimum: float = float("-inf")
    maximum: float = float("inf")
    choices: Sequence[str] = ()
    is_fixed: bool = False
    """Compiled in, or decided when the cluster was made."""


def refuse_faults(parameters: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """`rows` have a ParameterKind's fields. Raises Refused with every parameter that the server would not take."""
    faults = list_faults(parameters, (ParameterKind(*row) for row in rows))
    if faults:
        raise Refused(
            "ParameterRefused", f"spec.parameters: {'; '.join(faults)}. No member was given any of them"[:1800]
        )


def list_faults(parameters: Mapping[str, str], kinds: Iterable[ParameterKind]) -> tuple[str, ...]:
    """For each parameter that the server would not take, a sentence that says why."""
    known = {kind.name: kind for kind in kinds}
    faults = (_find_fault(name, value, known.get(name)) for name, value in parameters.items())
    return tuple(fault for fault in faults if fault)


def find_accepted(parameters: Mapping[str, str], settings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Those that some shard runs with already, by its Patroni's settings: what a new shard may be made with unasked."""
    kept = [each.get("postgresql", {}).get("parameters", {}) for each in settings]
    return {name: value for name, value in parameters.items() if any(has.get(name) == value for has in kept)}


def _find_fault(name: str, value: str, kind: ParameterKind | None) -> str:
    if kind is None:
        return "" if "." in name else f"PostgreSQL has no parameter {name}"
    if kind.is_fixed:
        return f"{name} cannot be changed once the cluster is made"
    match kind.type:
        case "bool":
            return "" if value.lower() in _BOOLEANS else f"{name} is on or off, not {value!r}"
        case "enum":
            is_one = value.lower() in (choice.lower() for choice in kind.choices)
            return "" if is_one else f"{name} is one of {', '.join(kind.choices)}, not {value!r}"
        case "integer" | "real":
            return _find_fault_of_number(value, kind)
        case _:
            return ""


def _find_fault_of_number(value: str, kind: ParameterKind) -> str:
    match = _NUMBER.fullmatch(value)
    scale = _find_scale(kind.unit)
    if match is None or (match[2] and match[2] not in scale):
        units = f" with one of the units {', '.join(unit for unit in scale if unit != '8kB')}" if scale else ""
        return f"{kind.name} is a number{units}, not {value!r}"
    amount = float(match[1]) * (scale[match[2]] / scale[kind.unit] if match[2] else 1)
    if kind.minimum <= amount <= kind.maximum:
        return ""
    return f"{kind.name} is {value}, and must lie between {kind.minimum:g} and {kind.maximum:g} {kind.unit}".rstrip()


def _find_scale(unit: str) -> Mapping[str, float]:
    return next((scale for scale in (_BYTES, _MILLISECONDS) if unit in scale), {})
