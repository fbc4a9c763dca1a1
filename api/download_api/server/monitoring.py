"""The port of the kubelet and Prometheus: probes and metrics, without authentication."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from socket import socket

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn import Config
from uvicorn.server import ServerState

from download_api.server.connections import ConnectionTable
from download_api.server.protocol import CONNECTIONS, LimitedHTTPProtocol
from download_api.server.readiness import Readiness


@asynccontextmanager
async def serve_monitoring(
    listener: socket | None, registry: CollectorRegistry, readiness: Readiness
) -> AsyncIterator[None]:
    """Serve probes, and the metrics of *registry*, on *listener* while the block runs.

    Without a listener, nothing is served. The port has the limits of connections that the API has,
    counted on their own.
    """
    if listener is None:
        yield
        return
    table = ConnectionTable[LimitedHTTPProtocol]()
    config = Config(_build_app(registry, readiness), log_config=None, lifespan="off", ws="none")
    config.load()
    protocol = partial(LimitedHTTPProtocol, config, ServerState(), {CONNECTIONS: table})
    server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
    try:
        yield
    finally:
        server.close()
        for connection in table.connections():
            connection.transport.abort()


def _build_app(registry: CollectorRegistry, readiness: Readiness) -> Starlette:
    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = await readiness.unready_reason()
        return PlainTextResponse(f"{reason or 'ok'}\n", status_code=503 if reason else 200)

    async def metrics(_: Request) -> Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return Response(generate_latest(registry), headers=headers)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    )
