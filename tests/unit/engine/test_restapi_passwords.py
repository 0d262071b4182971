"""Patroni's own REST API server and client, each going by a mount of its own: who takes what, who sends what, and what is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import yaml
from patroni.api import RestApiServer
from patroni.config import Config
from patroni.dcs import Member as Record
from patroni.ha import Ha
from patroni.request import PatroniRequest

from fakes.mounts import Store, mount
from fakes.programs import load_program

program, follow_mount = load_program("restapi_passwords"), load_program("mounted_secret").follow_mount
write_private = load_program("member").write_private

FIRST = {"restapi": "one"}
PREPARED = {**FIRST, "coming_member_rotation": "r1", "coming_restapi": "two"}
ADOPTED = {"member_rotation": "r1", "restapi": "two", "previous_member_rotation": "", "previous_restapi": "one"}
RETIRED = {"member_rotation": "r1", "restapi": "two"}
STAGES = (FIRST, PREPARED, ADOPTED, RETIRED)
TOLD = ([""], ["", "r1"], ["r1", ""], ["r1"])


class Member:
    """Real server and client of Patroni's, each of a class of its own, so that many live in one process."""

    def __init__(self, folder: Path, keys: dict[str, str], is_guarded: bool = True) -> None:
        self.mount, self.file = folder / "mount", folder / "patroni.yml"
        mount(self.mount, keys)
        authentication = {"username": "caisson", "password": keys["restapi"]}
        restapi = {"listen": "127.0.0.1:0", "connect_address": "127.0.0.1:0", "authentication": authentication}
        self.file.write_text(yaml.safe_dump({"scope": "s0", "name": "s0-0", "restapi": restapi, "kubernetes": {}}))
        server, caller, store = (type("Of", (kind,), {}) for kind in (RestApiServer, PatroniRequest, Store))
        self.passwords = program.RestapiPasswords(self.file, write_private)
        if is_guarded:
            program.go_by(self.passwords, server, caller)
            follow_mount(self.mount, store, self.passwords)
        config = Config(str(self.file))
        self.store, self.caller = store(), caller(config)
        ha = SimpleNamespace(is_failsafe_mode=lambda: True, update_failsafe=lambda _: 1)
        self.server = server(SimpleNamespace(ha=ha, version="4.1"), config["restapi"])
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/failsafe"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def loop(self) -> list[str]:
        self.store.touch_member({"state": "running"})
        told: list[str] = self.store.written["restapi_rotations"]
        return told

    def call(self, other: "Member") -> int:
        """As a primary does in an outage of the API server."""
        status: int = self.caller.request("post", other.url, {"name": "s0-0"}, timeout=5, retries=0).status
        return status

    def goes_on_with(self, other: "Member") -> bool:
        """What its Patroni makes of the answer, as a primary that must reach all its standbys."""
        ha = SimpleNamespace(patroni=SimpleNamespace(request=self.caller))
        record = Record.from_node(1, "s0-1", "", json.dumps({"api_url": other.url}))
        accepted: bool = Ha.call_failsafe_member(ha, {"name": "s0-0"}, record).accepted
        return accepted

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


Make = Callable[..., Member]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Member] = []

    def build(keys: dict[str, str], is_guarded: bool = True) -> Member:
        made.append(Member(tmp_path / str(len(made)), keys, is_guarded))
        return made[-1]

    yield build
    for member in made:
        with closing(member):
            pass


@pytest.mark.parametrize(("caller", "server"), [(c, s) for c in range(4) for s in range(4) if abs(c - s) <= 1])
def test_members_one_step_apart_take_each_others_calls(make: Make, caller: int, server: int) -> None:
    member, other = make(STAGES[caller]), make(STAGES[server])
    assert member.call(other) == 200
    assert member.goes_on_with(other)


def test_control_two_steps_apart_they_do_not(make: Make) -> None:
    """The operator sees to it that they never are: it waits for all of them before each step."""
    for caller, server in ((ADOPTED, FIRST), (PREPARED, RETIRED)):
        member, other = make(caller), make(server)
        assert member.call(other) == 401
        assert not member.goes_on_with(other)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 2), (2, 3)])
def test_a_running_member_follows_its_mount(make: Make, before: int, after: int) -> None:
    member, others = make(STAGES[before]), [make(STAGES[stage]) for stage in (before, after)]
    assert member.loop() == TOLD[before]
    mount(member.mount, STAGES[after])
    assert [other.call(member) for other in others] == [200, 200]
    assert member.loop() == TOLD[after]
    assert [other.call(member) for other in others] == [200, 200]
    assert [member.call(other) for other in others] == [200, 200]


def test_what_is_told_is_what_is_taken(make: Make) -> None:
    """Not what is mounted: between two loops a member takes what it has told last."""
    member, other = make(FIRST), make(ADOPTED)
    member.loop()
    mount(member.mount, PREPARED)
    assert other.call(member) == 401
    assert "r1" in member.loop()
    assert other.call(member) == 200


def test_control_patroni_by_itself_refuses_the_other_password(make: Make) -> None:
    member, other = make(PREPARED, is_guarded=False), make(ADOPTED, is_guarded=False)
    assert other.call(member) == 401
    assert member.call(other) == 401


def test_the_tools_in_the_pod_have_a_password_before_it_is_told(make: Make) -> None:
    member = make(PREPARED)
    mount(member.mount, ADOPTED)
    assert yaml.safe_load(member.file.read_text())["restapi"]["authentication"]["password"] == "one"
    assert member.loop() == TOLD[2]
    configuration = yaml.safe_load(member.file.read_text())
    assert configuration["restapi"]["authentication"] == {"username": "caisson", "password": "two"}
    assert configuration["scope"] == "s0", "all else stays"
    assert member.file.stat().st_mode & 0o777 == 0o600


def test_a_mount_that_is_replaced_meanwhile_is_read_in_the_next_loop(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has gone from under the reader is no sign that the password is not held any more."""
    member, read = make(PREPARED), Path.read_text

    def replace_first(file: Path) -> str:
        if file.name == "coming_restapi":
            monkeypatch.undo()
            mount(member.mount, ADOPTED)
        return read(file)

    monkeypatch.setattr(Path, "read_text", replace_first)
    assert member.loop() == TOLD[1]
    assert make(ADOPTED).call(member) == 200
    assert member.loop() == TOLD[2]


def test_where_nothing_is_mounted_what_was_taken_up_goes_on(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    member = make(FIRST)
    mount(member.mount, {})
    assert member.loop() == [""]
    assert make(FIRST).call(member) == 200
    assert "could not take up the mounted credentials (restapi_rotations): no password" in capsys.readouterr().out


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(program.Password("r1", "secret"))


def test_what_is_changed_of_patroni_must_be_there() -> None:
    with pytest.raises(AttributeError):
        program.go_by(SimpleNamespace(), SimpleNamespace(), PatroniRequest)
