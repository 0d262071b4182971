"""The operator's own HTTP server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import generate_latest

from .health import Health
from .metrics import Metrics


@asynccontextmanager
async def serve_telemetry(
    health: Health, metrics: Metrics, monotonic: Callable[[], float], port: int, host: str | None = None
) -> AsyncIterator[int]:
    """Listens on every address unless told otherwise. Yields the port, which the system chooses if 0 was asked for."""

    async def healthz(_: web.Request) -> web.Response:
        complaint = health.complaint(monotonic())
        return web.Response(text=complaint or "ok", status=503 if complaint else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(
            text="ok" if health.is_ready() else "no lease seen yet", status=200 if health.is_ready() else 503
        )

    async def exposition(_: web.Request) -> web.Response:
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
