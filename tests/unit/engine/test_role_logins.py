"""As whom Patroni's own configuration comes to other members while a mount changes under it, and what is told of that."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from patroni.dcs import Member as Record
from patroni.postgresql.config import ConfigHandler

from caisson_operator.core.layout import MEMBER_ROLES, REPLICATION_ROLES
from caisson_operator.sharded_database import credentials, member_credentials
from fakes.mounts import Store, mount
from fakes.programs import load_program

program, member = load_program("role_logins"), load_program("member")
write_private, follow_mount = member.write_private, load_program("mounted_secret").follow_mount

T = TypeVar("T")
A, B = "*:*:*:caisson_replication:one\n", "*:*:*:caisson_replication_b:two\n"
FIRST = {"replication": "one", "rewind": "ONE", "passfile": A}
NEW = {"replication": "two", "replication_user": "caisson_replication_b", "rewind": "TWO", "rewind_user": "caisson_rewind_b"}  # fmt: skip
WAS = {"replication": "one", "replication_user": "caisson_replication", "rewind": "ONE", "rewind_user": "caisson_rewind"}  # fmt: skip
RETIRED = {"member_rotation": "r1", **NEW, "passfile": B}


def prefix(with_: str, keys: dict[str, str]) -> dict[str, str]:
    return {f"{with_}{name}": text for name, text in keys.items()}


PREPARED = {**FIRST, "coming_member_rotation": "r1", **prefix("coming_", NEW), "passfile": A + B}
ADOPTED = {**RETIRED, "previous_member_rotation": "", **prefix("previous_", WAS), "passfile": B + A}
STAGES = (FIRST, PREPARED, ADOPTED, RETIRED)
TOLD = ([""], ["", "r1"], ["r1", ""], ["r1"])
OLD, YOUNG = ("caisson_replication", "one", "caisson_rewind", "ONE"), ("caisson_replication_b", "two", "caisson_rewind_b", "TWO")  # fmt: skip
LEADER = Record.from_node(1, "s0-0", "", '{"conn_url": "postgres://10.0.0.1:5432/postgres"}')


def derive(kind: type[T]) -> type[T]:
    """One that a test may change without changing `kind`."""
    return type("Of", (kind,), {})


class Member:
    """Patroni's own class of configuration, one of its own for each."""

    def __init__(self, folder: Path, keys: dict[str, str], is_guarded: bool = True) -> None:
        self.mount, self.passfile = folder / "mount", folder / "passfile"
        mount(self.mount, keys)
        handler, store = derive(ConfigHandler), derive(Store)
        if is_guarded:
            logins = program.RoleLogins(self.passfile, write_private)
            program.log_in_by(logins, handler)
            follow_mount(self.mount, store, logins)
        self.store, self.handler = store(), object.__new__(handler)
        configured: dict[str, Any] = {"sslmode": "verify-ca", "sslrootcert": "ca.crt"}
        self.handler._config = {
            "authentication": {
                "replication": {**configured, "username": "caisson_replication", "password": "one"},
                "rewind": {**configured, "username": "caisson_rewind", "password": "ONE"},
            }
        }
        self.handler._superuser, self.handler._krbsrvname = {}, None
        self.handler._postgresql = SimpleNamespace(major_version=150000, name="s0-1", database="postgres")

    def loop(self) -> list[str]:
        self.store.touch_member({"state": "running"})
        told: list[str] = self.store.written["role_rotations"]
        return told

    @property
    def comes_as(self) -> tuple[str, ...]:
        both = (self.handler.replication, self.handler.rewind_credentials)
        return tuple(each[key] for each in both for key in ("username", "password"))


@pytest.mark.parametrize(("stage", "comes_as"), list(zip(STAGES, (OLD, OLD, YOUNG, YOUNG), strict=True)))
def test_a_member_comes_as_what_is_from_its_start_and_tells_so(
    tmp_path: Path, stage: dict[str, str], comes_as: tuple[str, ...]
) -> None:
    """Also before its first loop: while the API server is away none comes so far as to tell."""
    started = Member(tmp_path, stage)
    assert started.comes_as == comes_as
    assert started.loop() == TOLD[STAGES.index(stage)]
    assert started.passfile.read_text() == stage["passfile"]
    assert started.passfile.stat().st_mode & 0o777 == 0o600


def test_a_running_member_follows_its_mount(tmp_path: Path) -> None:
    running = Member(tmp_path, FIRST)
    for stage, told, comes_as in zip(STAGES[1:], TOLD[1:], (OLD, YOUNG, YOUNG), strict=True):
        mount(running.mount, stage)
        assert running.loop() == told
        assert running.comes_as == comes_as
        assert running.passfile.read_text() == stage["passfile"]


def test_what_a_standby_is_to_stream_by_follows_and_keeps_how_servers_are_verified(tmp_path: Path) -> None:
    running = Member(tmp_path, PREPARED)
    assert running.handler.primary_conninfo_params(LEADER)["user"] == "caisson_replication"
    mount(running.mount, ADOPTED)
    running.loop()
    wanted = running.handler.primary_conninfo_params(LEADER)
    assert (wanted["user"], wanted["password"]) == ("caisson_replication_b", "two")
    assert (wanted["sslmode"], wanted["sslrootcert"], wanted["host"]) == ("verify-ca", "ca.crt", "10.0.0.1")


def test_what_is_told_is_what_is_done(tmp_path: Path) -> None:
    """Not what is mounted: between two loops a member comes as it has told last."""
    running = Member(tmp_path, PREPARED)
    running.loop()
    mount(running.mount, ADOPTED)
    assert running.comes_as == OLD
    assert running.loop()[0] == "r1"
    assert running.comes_as == YOUNG


def test_control_patroni_by_itself_goes_on_as_it_was_configured(tmp_path: Path) -> None:
    running = Member(tmp_path, ADOPTED, is_guarded=False)
    running.store.touch_member({})
    assert running.comes_as == OLD


def test_where_nothing_is_mounted_what_was_taken_up_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = Member(tmp_path, ADOPTED)
    mount(running.mount, {})
    assert running.loop() == TOLD[2]
    assert running.comes_as == YOUNG
    assert "could not take up the mounted credentials (role_rotations): no roles" in capsys.readouterr().out


def test_where_nothing_was_ever_mounted_patroni_goes_by_its_configuration(tmp_path: Path) -> None:
    running = Member(tmp_path, {})
    assert running.loop() == [], "who tells nothing is waited for"
    assert running.comes_as == OLD


def test_a_mount_that_is_replaced_meanwhile_is_read_in_the_next_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No role goes with the password of another."""
    running, read = Member(tmp_path, PREPARED), Path.read_text

    def replace_first(file: Path, *more: Any) -> str:
        text = read(file, *more)
        if file.name == "replication":
            monkeypatch.undo()
            mount(running.mount, ADOPTED)
        return text

    monkeypatch.setattr(Path, "read_text", replace_first)
    assert running.loop() == TOLD[1]
    assert running.comes_as == OLD
    assert running.loop() == TOLD[2]


def test_a_rotation_of_the_rest_api_alone_that_an_older_operator_began_has_no_roles_to_tell(tmp_path: Path) -> None:
    running = Member(tmp_path, {**FIRST, "coming_member_rotation": "r1", "coming_restapi": "x"})
    assert running.loop() == [""]


def test_a_member_starts_with_the_roles_that_are_mounted() -> None:
    passwords = {"superuser": "s", "restapi": "r", **ADOPTED}
    template = {"postgresql": {"authentication": {"replication": {"username": "caisson_replication", "sslmode": "x"}}}}
    found = member.build_configuration(template, {}, passwords, "10.0.0.1")["postgresql"]["authentication"]
    assert found["replication"] == {"username": "caisson_replication_b", "password": "two", "sslmode": "x"}
    assert found["rewind"] == {"username": "caisson_rewind_b", "password": "TWO"}


def test_image_and_operator_agree_on_roles_and_keys() -> None:
    assert (program.REPLICATION, program.REWIND) == (member_credentials.REPLICATION, member_credentials.REWIND)
    assert program.PASSFILE == credentials.PASSFILE
    users = tuple(f"{purpose}{program.USER}" for purpose in program.FIRST_ROLES)
    assert users == (member_credentials.REPLICATION_USER, member_credentials.REWIND_USER)
    assert set(program.FIRST_ROLES.values()) <= set(MEMBER_ROLES)
    template, made = member.TEMPLATE.read_text(), member.TEMPLATE.with_name("bootstrap.sql").read_text()
    assert template.count(f"replication {','.join(REPLICATION_ROLES)} ") == 2, "pg_hba admits both"
    assert all(f"CREATE ROLE {role}" in made for role in MEMBER_ROLES)


def test_no_password_is_shown() -> None:
    found = repr(program.read_roles(ADOPTED))
    assert not [word for word in ("one", "two", "ONE", "TWO") if word in found]


def test_what_is_changed_of_patroni_must_be_there() -> None:
    with pytest.raises(AttributeError):
        program.log_in_by(SimpleNamespace(), SimpleNamespace())
