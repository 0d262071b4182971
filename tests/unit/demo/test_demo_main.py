"""The demo's exit code means what the closing table says, and build/demo.json is of this run or of none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import demo.__main__ as program
from demo.cluster import CommandFailedError
from demo.musts import Figures
from demo.story import Story
from fakes.demo_figures import GOOD

EARLIER = '{"rows": 1}'


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the figures of an earlier run."""
    path = tmp_path / "build/demo.json"
    path.parent.mkdir()
    path.write_text(EARLIER)
    monkeypatch.setattr(program, "REPOSITORY", tmp_path)
    monkeypatch.setattr(program, "OUTPUT", path)
    return path


def play(monkeypatch: pytest.MonkeyPatch, tell: Callable[[Story], Figures]) -> int:
    monkeypatch.setattr(program, "tell", tell)
    return program.main()


def fail_with(error: BaseException) -> Callable[[Story], Figures]:
    def tell(story: Story) -> Figures:
        raise error

    return tell


def test_ends_well_if_every_must_holds(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(monkeypatch, lambda story: GOOD) == 0
    assert json.loads(output.read_text())["rows"] == GOOD.rows


@pytest.mark.parametrize("missed", [{"writes_lost": 1}, {"pause_ms_p99": 201.0}, {"failover_seconds": None}])
def test_a_missed_must_is_an_exit_code_and_in_the_figures(
    missed: dict[str, Any], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = replace(GOOD, **missed)
    assert play(monkeypatch, lambda story: figures) == program.MISSED
    assert [must["ok"] for must in json.loads(output.read_text())["musts"]].count(False) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(CommandFailedError("helm failed"), program.BROKEN), (KeyboardInterrupt(), program.INTERRUPTED)],
)
def test_a_demo_that_breaks_off_leaves_no_earlier_figures(
    error: BaseException, code: int, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(monkeypatch, fail_with(error)) == code
    assert not output.exists()


def test_figures_of_an_earlier_run_are_gone_before_anything_is_told(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(story: Story) -> Figures:
        assert not output.exists()
        return GOOD

    assert play(monkeypatch, tell) == 0
