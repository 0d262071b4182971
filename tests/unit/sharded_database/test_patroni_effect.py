"""The effects that write to Patroni, against a real HTTP server that answers as Patroni's REST API does."""

import asyncio
import base64
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from caisson_operator.core.decisions import HeldUp
from caisson_operator.effects.patroni import (
    RESTAPI_USER,
    Member,
    PatroniError,
    SwitchoverRefused,
    SwitchoverUnfinished,
    build_member,
    patch_settings,
    request_switchover,
)

PASSWORD = "hunter2:%ä"
AUTHORIZATION = "Basic " + base64.b64encode(f"{RESTAPI_USER}:{PASSWORD}".encode()).decode()
pytestmark = pytest.mark.asyncio


@dataclass
class FakePatroni:
    """Keeps settings behind a password and merges as Patroni does; or answers `fails_with`, after `delay_seconds`.

    It moves the lead as Patroni does: only from the member that leads, to its synchronous standby.
    """

    config: dict[str, Any] = field(default_factory=lambda: {"ttl": 20, "postgresql": {"use_slots": True}})
    fails_with: tuple[int, str] | None = None
    delay_seconds: float = 0.0
    leader: str = "flights-s0-0"
    standby: str = "flights-s0-1"
    hangs_up: bool = False

    async def patch(self, request: web.Request) -> web.Response:
        refusal = await self.refuse(request)
        if refusal:
            return refusal
        merge(self.config, await request.json())
        return web.json_response(self.config)

    async def switch(self, request: web.Request) -> web.Response:
        refusal = await self.refuse(request)
        if refusal:
            return refusal
        wish = await request.json()
        if wish["leader"] != self.leader:
            return web.Response(status=412, text="leader name does not match")
        if wish["candidate"] != self.standby:
            return web.Response(status=412, text="candidate name does not match with sync_standby")
        self.leader, self.standby = self.standby, self.leader
        return web.Response(text=f'Successfully switched over to "{self.leader}"')

    async def refuse(self, request: web.Request) -> web.Response | None:
        await asyncio.sleep(self.delay_seconds)
        if self.hangs_up and request.transport:
            request.transport.close()
        if request.headers.get("Authorization") != AUTHORIZATION:
            return web.Response(status=401, text="not authenticated")
        if self.fails_with:
            return web.Response(status=self.fails_with[0], text=self.fails_with[1])
        return None


def merge(config: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            merge(config[key], value)
        else:
            config[key] = value


@asynccontextmanager
async def serving(patroni: FakePatroni, password: str = PASSWORD) -> AsyncIterator[Member]:
    application = web.Application()
    application.router.add_patch("/config", patroni.patch)
    application.router.add_post("/switchover", patroni.switch)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Member("flights-s0-0", f"http://127.0.0.1:{runner.addresses[0][1]}", password)
    finally:
        await runner.cleanup()


async def test_lays_the_settings_upon_those_that_are_there() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as member:
        for _ in range(2):  # safe to repeat
            await patch_settings(member, {"synchronous_mode": True, "postgresql": {"use_pg_rewind": True}})
    engine = {"use_slots": True, "use_pg_rewind": True}
    assert patroni.config == {"ttl": 20, "synchronous_mode": True, "postgresql": engine}


async def test_a_wrong_password_is_told_without_showing_it_and_changes_nothing() -> None:
    patroni = FakePatroni()
    async with serving(patroni, password="wrong-secret") as member:
        with pytest.raises(PatroniError, match=r"flights-s0-0 .*401.*restart the pod") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert "wrong-secret" not in "".join(traceback.format_exception(raised.value))
    assert "synchronous_mode" not in patroni.config


async def test_says_what_the_member_said_when_it_refuses() -> None:
    async with serving(FakePatroni(fails_with=(400, "synchronous_mode: not a boolean"))) as member:
        with pytest.raises(PatroniError, match=r"flights-s0-0 .*400 synchronous_mode: not a boolean"):
            await patch_settings(member, {"synchronous_mode": "maybe"})


@pytest.mark.parametrize("answer", [(503, "no store"), (409, "overtaken")])
async def test_a_member_without_its_store_holds_it_up(answer: tuple[int, str]) -> None:
    async with serving(FakePatroni(fails_with=answer)) as member:
        with pytest.raises(HeldUp, match=f"{answer[0]} {answer[1]}") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert raised.value.reason == "PatroniUnreachable"


async def test_a_silent_member_holds_it_up() -> None:
    async with serving(FakePatroni(delay_seconds=0.5)) as member:
        with pytest.raises(HeldUp, match="flights-s0-0") as raised:
            await patch_settings(member, {"synchronous_mode": True}, timeout=0.1)
    assert raised.value.seconds > 0


async def test_an_absent_member_holds_it_up() -> None:
    with socket.socket() as bound:  # and listens not
        bound.bind(("127.0.0.1", 0))
        member = Member("flights-s0-0", f"http://127.0.0.1:{bound.getsockname()[1]}", PASSWORD)
        with pytest.raises(HeldUp, match="flights-s0-0") as raised:
            await patch_settings(member, {"synchronous_mode": True})
    assert PASSWORD not in str(raised.value)


async def test_finds_a_member_by_its_name_under_the_headless_service() -> None:
    member = build_member("flights-s0-1", "flights-s0-pods", "demo", 8008, PASSWORD)
    assert member.url == "http://flights-s0-1.flights-s0-pods.demo.svc:8008"


async def test_the_user_is_the_one_that_the_image_sets() -> None:
    text = (Path(__file__).parents[3] / "workloads/postgres/member.py").read_text()
    assert f'"username": "{RESTAPI_USER}", "password": passwords["restapi"]' in text


async def test_moves_the_lead_once_however_often_it_is_asked() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as leader:
        await request_switchover(leader, "flights-s0-1")
        with pytest.raises(SwitchoverRefused, match="flights-s0-0 refused: leader name does not match"):
            await request_switchover(leader, "flights-s0-1")
    assert (patroni.leader, patroni.standby) == ("flights-s0-1", "flights-s0-0")


async def test_a_candidate_that_may_not_lead_is_refused_in_patronis_words() -> None:
    patroni = FakePatroni()
    async with serving(patroni) as leader:
        with pytest.raises(SwitchoverRefused, match="candidate name does not match with sync_standby"):
            await request_switchover(leader, "flights-s0-2")
    assert patroni.leader == "flights-s0-0"


@pytest.mark.parametrize(
    "patroni",
    [
        FakePatroni(fails_with=(503, "Switchover failed")),
        FakePatroni(fails_with=(503, "Switchover status unknown")),
        FakePatroni(fails_with=(500, "")),
        FakePatroni(hangs_up=True),
        FakePatroni(delay_seconds=0.5),
    ],
    ids=["failed", "unknown", "error", "hung up", "silent"],
)
async def test_an_answer_that_leaves_the_outcome_open_is_told_as_such(patroni: FakePatroni) -> None:
    """Whether the lead has moved is told by the shard, not by the answer."""
    async with serving(patroni) as leader:
        with pytest.raises(SwitchoverUnfinished, match="flights-s0-0"):
            await request_switchover(leader, "flights-s0-1", timeout=0.2)


async def test_a_leader_that_was_never_reached_was_never_asked() -> None:
    with socket.socket() as bound:  # and listens not
        bound.bind(("127.0.0.1", 0))
        leader = Member("flights-s0-0", f"http://127.0.0.1:{bound.getsockname()[1]}", PASSWORD)
        with pytest.raises(HeldUp, match="the switchover did not reach Patroni of flights-s0-0") as raised:
            await request_switchover(leader, "flights-s0-1")
    assert raised.value.reason == "PatroniUnreachable"


async def test_a_wrong_password_moves_no_lead() -> None:
    patroni = FakePatroni()
    async with serving(patroni, password="wrong-secret") as leader:
        with pytest.raises(PatroniError, match=r"does not take the switchover: 401.*restart the pod"):
            await request_switchover(leader, "flights-s0-1")
    assert patroni.leader == "flights-s0-0"
