"""A real HTTPS server that answers as Patroni's REST API does, for what the operator writes to it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web

from caisson_operator.effects.patroni import RESTAPI_USER, Member

from .certificates import write_certificate

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
    asked: int = 0
    role: str = "replica"
    waits_for_restart: bool = False
    restarts: int = 0

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

    async def restart(self, request: web.Request) -> web.Response:
        refusal = await self.refuse(request)
        if refusal:
            return refusal
        wish = await request.json()
        if wish["role"] != self.role or (wish["restart_pending"] and not self.waits_for_restart):
            return web.Response(status=503, text="restart conditions are not satisfied")
        self.waits_for_restart, self.restarts = False, self.restarts + 1
        return web.Response(text="restarted successfully")

    async def refuse(self, request: web.Request) -> web.Response | None:
        self.asked += 1
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
async def serving(patroni: FakePatroni, password: str = PASSWORD, name: str = "localhost") -> AsyncIterator[Member]:
    """`name` is the one that its certificate is for; it is asked for as localhost."""
    application = web.Application()
    application.router.add_patch("/config", patroni.patch)
    application.router.add_post("/switchover", patroni.switch)
    application.router.add_post("/restart", patroni.restart)
    runner = web.AppRunner(application)
    await runner.setup()
    with TemporaryDirectory() as folder:
        files = write_certificate(Path(folder), [name])
        tls, authority = files.server_context(), files.authority.read_text()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        yield Member("flights-s0-0", f"https://localhost:{runner.addresses[0][1]}", password, authority)
    finally:
        await runner.cleanup()
