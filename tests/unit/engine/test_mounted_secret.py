"""One reading of the mount for all that goes by it: it changes together, is told together, and what cannot be taken up changes nothing."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.mounts import Store, mount
from fakes.programs import load_program

program = load_program("mounted_secret")


class Follower:
    def __init__(self, told: str) -> None:
        self.told, self.rotations = told, list[str]()

    def take_up(self, keys: Mapping[str, str]) -> None:
        self.rotations = [keys["member_rotation"]]


@pytest.fixture
def store() -> Any:
    return type("Of", (Store,), {})()


def follow(folder: Path, store: Store) -> None:
    program.follow_mount(folder, type(store), Follower("calls"), Follower("roles"))


def test_all_that_goes_by_it_is_told_beside_what_patroni_tells(tmp_path: Path, store: Store) -> None:
    mount(tmp_path, {"member_rotation": "r1"})
    follow(tmp_path, store)
    for rotation in ("r1", "r2"):
        mount(tmp_path, {"member_rotation": rotation})
        assert store.touch_member({"state": "running"}), "Patroni's own answer"
        assert store.written == {"state": "running", "calls": [rotation], "roles": [rotation]}


def test_what_changes_meanwhile_is_of_the_next_loop_for_all(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(tmp_path, {"member_rotation": "r1"})
    follow(tmp_path, store)
    take_up = Follower.take_up

    def change_then_take_up(follower: Follower, keys: Mapping[str, str]) -> None:
        mount(tmp_path, {"member_rotation": "r2"})
        take_up(follower, keys)

    monkeypatch.setattr(Follower, "take_up", change_then_take_up)
    for rotation in ("r1", "r2"):
        store.touch_member({})
        assert store.written == {"calls": [rotation], "roles": [rotation]}


@pytest.mark.parametrize("keys", [None, {}])
def test_where_nothing_can_be_taken_up_patroni_goes_on_and_tells_nothing(
    tmp_path: Path, store: Store, keys: dict[str, str] | None
) -> None:
    if keys is not None:
        mount(tmp_path, keys)
    follow(tmp_path, store)
    assert store.touch_member({})
    assert store.written == {"calls": [], "roles": []}


def test_what_is_changed_of_patroni_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        program.follow_mount(tmp_path, SimpleNamespace())
