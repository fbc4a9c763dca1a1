"""``/metrics`` for Prometheus, on a port of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from socket import socket

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from download_api.server.streams import Streams
from download_kube.client import KubeClient


class StateCollector(Collector):
    """Reads numbers where they are kept, at the moment somebody asks."""

    def __init__(self, client: KubeClient, streams: Streams) -> None:
        self._client = client
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Yield the open streams, and the requests to the API server."""
        yield GaugeMetricFamily(
            "download_api_streams",
            "Open streams: events, logs and files that are being sent.",
            value=len(self._streams),
        )
        requests = CounterMetricFamily(
            "download_api_cluster_requests",
            "Requests to the API server by the status of its response; code 0: no response.",
            labels=("method", "code"),
        )
        for (method, status), count in self._client.responses.items():
            requests.add_metric((method, str(status)), count)
        yield requests


@asynccontextmanager
async def serve_metrics(
    listener: socket | None, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve the metrics of *registry* on *listener*, if there is one, while the block runs."""

    async def respond(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    application = web.Application()
    application.add_routes([web.get("/metrics", respond)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        if listener:
            await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
