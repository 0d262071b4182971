from pathlib import Path

import pytest

from caisson_operator.api.reference import main, render_references

FOLDER = Path(__file__).parents[3] / "docs/reference"


def test_the_reference_that_is_checked_in_is_up_to_date() -> None:
    for name, content in render_references().items():
        assert (FOLDER / name).read_text() == content, "run `make generate`"


def test_each_field_stands_in_a_row_with_its_type_default_and_meaning() -> None:
    page = render_references()["shardeddatabase.md"]
    assert "| `spec.tables[].buckets` | integer 1 to 1024 | `64` | How many parts" in page
    assert "| `spec.storage.size` | quantity | (required) | Size of each volume" in page
    assert "- shards can only grow for now" in page


def test_wants_one_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
