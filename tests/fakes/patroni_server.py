"""A real HTTP server that answers as Patroni's REST API does, for what the operator writes to it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from caisson_operator.effects.patroni import RESTAPI_USER, Member

PASSWORD = "hunter2:%ä"
AUTHORIZATION = "Basic " + base64.b64encode(f"{RESTAPI_USER}:{PASSWORD}".encode()).decode()


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
