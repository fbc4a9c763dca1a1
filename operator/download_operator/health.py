"""Serve ``/healthz`` for the kubelet and ``/metrics`` for Prometheus on one port.

kopf's own liveness endpoint has one path, reuses a response for ten seconds, and listens on one
address family (see docs/design/2026-11-metrics.md).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import kopf
from aiohttp import web

from download_operator.monitor import Monitor


class PortError(kopf.PermanentError):
    """The health port is in use, or we may not listen on it."""


@asynccontextmanager
async def serve_health(monitor: Monitor, port: int) -> AsyncIterator[None]:
    """Listen on *port* of all addresses while the block runs; 0 means not to listen.

    Raises:
        PortError: the port cannot be opened.
    """

    async def healthz(_: web.Request) -> web.Response:
        reason = monitor.unhealthy_reason()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def metrics(_: web.Request) -> web.Response:
        # Imported when Prometheus first asks, because the import would delay the operator's start.
        from download_operator.metrics import CONTENT_TYPE, render  # noqa: PLC0415

        return web.Response(body=render(monitor), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        if port:
            try:
                await web.TCPSite(runner, port=port).start()
            except OSError as error:
                raise PortError(f"{port} cannot be opened: {error.strerror}") from error
        yield
    finally:
        await runner.cleanup()
