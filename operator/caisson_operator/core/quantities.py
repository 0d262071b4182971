"""Amounts as people write them in a resource, turned into numbers with a unit. Pure."""

import re
from decimal import Decimal

DURATION_PATTERN = r"^([0-9]+(ms|s|m|h))+$"
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", start=1)},
}


def parse_duration_seconds(text: str) -> float:
    """`1m30s` -> 90.0. Raises ValueError for anything that the schema would not have admitted."""
    if not re.match(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration such as 500ms, 10s or 1m30s")
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h)", text))


def format_duration(seconds: float) -> str:
    """Whole seconds, rounded down: 90.7 -> `1m30s`."""
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if number]
    return "".join(parts) or "0s"


def parse_quantity(text: str) -> Decimal:
    """A Kubernetes quantity: `2Gi` -> 2147483648, `100m` -> 0.1. Raises ValueError for anything else."""
    match = re.match(QUANTITY_PATTERN, text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 2Gi or 100m")
    suffix = match.group(2) or ""
    return Decimal(text.removesuffix(suffix)) * _FACTORS[suffix]
