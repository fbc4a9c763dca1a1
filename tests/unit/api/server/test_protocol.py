"""Connections to an API without authentication: from where, and how many."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import kopf
import uvicorn

from download_api.app import build_app
from download_api.server.protocol import DeadlineHTTPProtocol
from download_api.settings import Settings

PREVIEW = "/cron/preview?expr=@daily"


class SmallProtocol(DeadlineHTTPProtocol):
    """Has room for one connection."""

    max_connections = 1


@asynccontextmanager
async def serve(protocol: type[DeadlineHTTPProtocol]) -> AsyncIterator[str]:
    """Serve an API without authentication; yield its address."""
    app = build_app(Settings(), lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"))
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_config=None))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


def test_page_of_another_site_is_refused() -> None:
    async def run() -> None:
        async with (
            serve(DeadlineHTTPProtocol) as address,
            httpx.AsyncClient(base_url=address) as client,
        ):
            for headers in ({"Host": "rebound.example"}, {"Origin": "https://page.example"}):
                refused = await client.get(PREVIEW, headers=headers)
                assert refused.status_code == 401
                assert "use http://localhost" in refused.json()["detail"]["error"]
            assert (await client.get(PREVIEW)).status_code == 200

    asyncio.run(run())


def test_connection_beyond_the_limit_gets_a_problem_but_may_probe() -> None:
    async def run() -> None:
        async with (
            serve(SmallProtocol) as address,
            httpx.AsyncClient(base_url=address) as first,
        ):
            assert (await first.get(PREVIEW)).status_code == 200
            async with httpx.AsyncClient(base_url=address) as second:
                refused = await second.get(PREVIEW)
                probed = await second.get("/livez")
            assert (await first.get(PREVIEW)).status_code == 200

        assert (refused.status_code, probed.status_code) == (503, 200)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"]["error_type"] == "too_many_connections"
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert refused.headers["x-request-id"]

    asyncio.run(run())
