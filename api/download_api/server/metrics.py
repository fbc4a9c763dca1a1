"""What the process tells of itself: ``/metrics`` to Prometheus, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket
from typing import Final

from aiohttp import web

from download_api.server.request_metrics import Traffic
from download_api.server.streams import Streams
from download_kube.client import KubeClient
from download_kube.prometheus import TEXT_FORMAT, family

PREFIX: Final = "download_api_"


@asynccontextmanager
async def serving(
    listening: socket | None, traffic: Traffic, cluster: KubeClient, streams: Streams
) -> AsyncIterator[None]:
    """Answer those who connect to *listening* while the block runs."""

    async def answer(_: web.Request) -> web.Response:
        body = metrics(traffic, cluster, streams).encode()
        return web.Response(body=body, headers={"Content-Type": TEXT_FORMAT})

    application = web.Application()
    application.add_routes([web.get("/metrics", answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        if listening:
            await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


def metrics(traffic: Traffic, cluster: KubeClient, streams: Streams) -> str:
    """Return all there is to know, in Prometheus' text format."""
    families = [
        traffic.histogram(
            f"{PREFIX}request_seconds",
            "Requests, by the time until the head of the answer; a stream goes on after it.",
        ),
        family(
            f"{PREFIX}problems_total",
            "counter",
            "Answers other than the one asked for, by their error_type.",
            ("error_type",),
            {(kind,): count for kind, count in traffic.problems.items()},
        ),
        family(
            f"{PREFIX}streams",
            "gauge",
            "Events, logs and files being sent at the moment.",
            (),
            {(): len(streams)},
        ),
        family(
            f"{PREFIX}cluster_requests_total",
            "counter",
            "Requests to the API server by its answer; code 0: there was none.",
            ("method", "code"),
            {(method, str(code)): count for (method, code), count in cluster.responses.items()},
        ),
    ]
    return "".join(families)
