"""``/healthz`` for the kubelet and ``/metrics`` for Prometheus, on one port.

Nothing is counted for them alone: both read the operator's parts when somebody asks (see
docs/design/2026-11-metrics.md).
"""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import kopf
from aiohttp import web

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_kube.reflector import Reflector
from download_operator.cache.cache import ClusterCache
from download_operator.reconciling.work_queue import WorkQueue

MAX_TURN_SECONDS: Final = 120.0
"""A reconcile makes a few requests, each of which ends after 30 seconds."""
WATCH_STALE_SECONDS: Final = 600.0
"""A watch that received nothing for this long, while the API server is reachable, is broken."""


class PortError(kopf.PermanentError):
    """The health port is in use, or we may not listen on it."""


class Monitor:
    """Reports on the parts of a running operator.

    Args:
        client: counts requests to the API server.
        lease: whether this replica may write.
        cache: what is known of the cluster.
        queue: counts reconciles.
        reflectors: all watches.
    """

    def __init__(
        self,
        client: KubeClient,
        lease: Lease,
        cache: ClusterCache,
        queue: WorkQueue[Any],
        reflectors: Iterable[Reflector[Any]],
    ) -> None:
        self.client = client
        self.lease = lease
        self.cache = cache
        self.queue = queue
        self.reflectors = tuple(reflectors)

    def unhealthy_reason(self) -> str:
        """Return what only a restart can repair, as a sentence; empty if nothing."""
        oldest = self.queue.oldest_turn_seconds()
        if oldest > MAX_TURN_SECONDS:
            return f"a reconcile has not ended for {oldest:.0f} s"
        for reflector in self.reflectors:
            if idle_seconds(reflector) > WATCH_STALE_SECONDS:
                return f"the watch of {reflector.path} has received nothing for ten minutes"
        return ""

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[None]:
        """Listen on *port* of all addresses while the block runs; 0 means not to listen.

        Raises:
            PortError: the port cannot be opened.
        """
        application = web.Application()
        application.add_routes(
            [web.get("/healthz", self._healthz), web.get("/metrics", self._metrics)]
        )
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

    async def _healthz(self, _: web.Request) -> web.Response:
        reason = self.unhealthy_reason()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        # Imported when Prometheus first asks, because the import would delay the operator's start.
        from download_operator import metrics  # noqa: PLC0415

        body = metrics.render(self)
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


def idle_seconds(reflector: Reflector[Any]) -> float:
    """Return how long ago the API server last sent something; 0 if the reflector is not running."""
    return max(time.monotonic() - reflector.last_activity, 0.0)
