"""A member that starts where a leader died leaves the lead to a standby that has every commit, and to no other."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fakes.programs import load_program

member = load_program("member")
LOCK = {"leader": "flights-s0-0", "optime": "127502328"}
SYNC = {"leader": "flights-s0-0", "sync_standby": "flights-s0-1"}


class FakeApi:
    """Endpoints in memory, with merge patches and the check of resourceVersion."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 1
        self.base = ""

    def put(self, name: str, annotations: dict[str, str] | None) -> None:
        self.version += 1
        self.objects[name] = {"resourceVersion": str(self.version), "annotations": annotations}

    def patch(self, name: str, metadata: dict[str, Any]) -> int:
        found = self.objects[name]
        if metadata["resourceVersion"] != found["resourceVersion"]:
            return 409
        merged = {**found["annotations"], **metadata["annotations"]}
        self.put(name, {key: value for key, value in merged.items() if value is not None})
        return 200


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    fake = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200 if self.name in fake.objects else 404)

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(fake.patch(self.name, body["metadata"]))

        @property
        def name(self) -> str:
            return self.path.rpartition("/")[2]

        def answer(self, code: int) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps({"metadata": fake.objects.get(self.name, {})}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    fake.base = f"http://127.0.0.1:{server.server_port}/endpoints"
    yield fake
    server.shutdown()
    server.server_close()


def leave(fake: FakeApi, lock: dict[str, str] | None, sync: dict[str, str] | None) -> bool:
    fake.put("flights-s0", lock)
    fake.put("flights-s0-sync", sync)
    left: bool = member.leave_lead(member.Api(fake.base, "token", None), "flights-s0", "flights-s0-0")
    return left


def test_leaves_the_lead_to_a_synchronous_standby(fake: FakeApi) -> None:
    assert leave(fake, LOCK, SYNC)
    assert fake.objects["flights-s0"]["annotations"] == {"optime": "127502328"}


@pytest.mark.parametrize(
    ("lock", "sync"),
    [
        (LOCK, {"leader": "flights-s0-0"}),
        (LOCK, {"leader": "flights-s0-1", "sync_standby": "flights-s0-0"}),
        (LOCK, None),
        ({"leader": "flights-s0-1"}, SYNC),
        ({}, SYNC),
        (None, SYNC),
    ],
    ids=["no-standby", "standby-of-another", "asynchronous", "another-leads", "free", "never-led"],
)
def test_gives_nothing_up_otherwise(fake: FakeApi, lock: dict[str, str] | None, sync: dict[str, str] | None) -> None:
    assert not leave(fake, lock, sync)
    assert fake.objects["flights-s0"]["annotations"] == lock


def test_a_lock_that_has_changed_since_is_left_alone(fake: FakeApi) -> None:
    real = fake.patch

    def patch_later(name: str, metadata: dict[str, Any]) -> int:
        fake.put("flights-s0", {"leader": "flights-s0-1"})
        return real(name, metadata)

    fake.patch = patch_later  # type: ignore[method-assign]
    with pytest.raises(OSError, match="409"):
        leave(fake, LOCK, SYNC)
    assert fake.objects["flights-s0"]["annotations"] == {"leader": "flights-s0-1"}


def test_a_shard_that_has_never_had_a_leader_is_no_reason_not_to_start(
    fake: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = member.Api(fake.base, "token", None)
    monkeypatch.setattr(member.Api, "in_cluster", classmethod(lambda cls, environment: api))
    member.leave_lead_if_possible({"PATRONI_SCOPE": "flights-s0", "PATRONI_NAME": "flights-s0-0"})
    assert "404" in capsys.readouterr().out


def wait(fake: FakeApi, on_sleep: Callable[[int], None]) -> tuple[bool, int]:
    """Whether somebody led in the end, and how many seconds it took."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        on_sleep(len(slept))

    led: bool = member.await_leader(member.Api(fake.base, "token", None), "flights-s0", sleep)
    return led, int(sum(slept))


def test_a_new_member_waits_for_its_shards_first_leader(fake: FakeApi) -> None:
    def make(second: int) -> None:
        fake.put("flights-s0", {"optime": "1"} if second < 3 else LOCK)

    assert wait(fake, make) == (True, 3)


def test_a_new_member_does_not_wait_for_ever(fake: FakeApi) -> None:
    assert wait(fake, lambda second: None) == (False, member.FIRST_SECONDS)


@pytest.mark.parametrize(("name", "has_data"), [("flights-s0-0", False), ("flights-s0-1", True)])
def test_the_first_member_and_one_with_data_wait_for_nobody(name: str, has_data: bool, tmp_path: Path) -> None:
    if has_data:
        (tmp_path / "PG_VERSION").touch()
    member.await_turn({"PATRONI_NAME": name, "PATRONI_SCOPE": "flights-s0"}, tmp_path)
