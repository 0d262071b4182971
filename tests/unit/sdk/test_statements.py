"""Which statements go to the server in one round trip under an idempotency key: in doubt none."""

import pytest

from caisson.statements import returns_nothing


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO flights VALUES ('A', 1)",
        "  update flights SET n = 1 WHERE tailnum = 'A'",
        "\n DELETE\nFROM flights",
        "INSERT INTO flights VALUES ('A', 1) ON CONFLICT (tailnum) DO UPDATE SET n = 2",
    ],
)
def test_changes_rows_and_returns_none(statement: str) -> None:
    assert returns_nothing(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO flights VALUES ('A', 1) RETURNING n",
        "DELETE FROM flights; COMMIT",
        "INSERT INTO flights VALUES ('a; b')",
        "WITH gone AS (DELETE FROM flights RETURNING n) SELECT n FROM gone",
        "SELECT n FROM flights",
        "inserted",
        "/* INSERT */ SELECT 1",
        "BEGIN",
    ],
)
def test_may_return_rows_or_be_several(statement: str) -> None:
    assert not returns_nothing(statement)
