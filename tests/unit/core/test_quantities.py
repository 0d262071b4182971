from decimal import Decimal

import pytest

from caisson_operator.core.quantities import parse_duration_seconds, parse_quantity


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("500ms", 0.5), ("10s", 10), ("1m30s", 90), ("2h", 7200), ("1m5ms", 60.005)]
)
def test_reads_durations(text: str, seconds: float) -> None:
    assert parse_duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "1.5s", "s", "-1s", "1d", "1s "])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_seconds(text)


@pytest.mark.parametrize(
    ("text", "amount"), [("2Gi", 2 * 1024**3), ("100m", Decimal("0.1")), ("1.5k", 1500), ("7", 7), ("1Ti", 1024**4)]
)
def test_reads_quantities(text: str, amount: Decimal | int) -> None:
    assert parse_quantity(text) == amount


@pytest.mark.parametrize("text", ["", "Gi", "1GB", "-1", "1e3"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)
