"""Connections to an API without authentication: from where, how many, and for how long."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import kopf
import pytest
import uvicorn

from download_api import app as application
from download_api.app import build_app
from download_api.server import protocol
from download_api.server.connections import ConnectionTable
from download_api.server.protocol import LimitedHTTPProtocol
from download_api.settings import Settings

PREVIEW = "/cron/preview?expr=@daily"


@asynccontextmanager
async def serve() -> AsyncIterator[str]:
    """Serve an API without authentication; yield its address."""
    app = build_app(Settings(), lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"))
    server = uvicorn.Server(uvicorn.Config(app, http=LimitedHTTPProtocol, log_config=None))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


def test_page_of_another_site_is_refused() -> None:
    async def run() -> None:
        async with serve() as address, httpx.AsyncClient(base_url=address) as client:
            for headers in ({"Host": "rebound.example"}, {"Origin": "https://page.example"}):
                refused = await client.get(PREVIEW, headers=headers)
                assert refused.status_code == 401
                assert "use http://localhost" in refused.json()["detail"]["error"]
            assert (await client.get(PREVIEW)).status_code == 200

    asyncio.run(run())


def test_connection_beyond_the_limit_gets_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "ConnectionTable", lambda: ConnectionTable(max_connections=1))

    async def run() -> None:
        async with serve() as address, httpx.AsyncClient(base_url=address) as first:
            assert (await first.get(PREVIEW)).status_code == 200
            async with httpx.AsyncClient(base_url=address) as second:
                refused = await second.get(PREVIEW)
            assert (await first.get(PREVIEW)).status_code == 200

        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"]["error_type"] == "too_many_connections"
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert refused.headers["x-request-id"]

    asyncio.run(run())


def test_idle_connection_is_closed_for_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "ConnectionTable", lambda: ConnectionTable(max_connections=1))

    async def run() -> None:
        async with serve() as address:
            url = httpx.URL(address)
            reader, writer = await asyncio.open_connection(url.host, url.port)
            async with httpx.AsyncClient(base_url=address) as client:
                assert (await client.get(PREVIEW)).status_code == 200
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    asyncio.run(run())


def test_response_that_a_stranger_does_not_read_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.5)
    table = ConnectionTable[LimitedHTTPProtocol]()
    monkeypatch.setattr(application, "ConnectionTable", lambda: table)

    async def run() -> None:
        async with serve() as address:
            url = httpx.URL(address)
            reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
            request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(request * 200)
            async with asyncio.timeout(60):
                while len(table) == 0:
                    await asyncio.sleep(0.01)
                while len(table):
                    await asyncio.sleep(0.1)
            received = 0
            with suppress(ConnectionResetError):
                while piece := await asyncio.wait_for(reader.read(65536), 5):
                    received += len(piece)
            writer.close()
            async with httpx.AsyncClient(base_url=address) as client:
                length = len((await client.get("/openapi.json")).content)
            assert 0 < received < 200 * length

    asyncio.run(run())


def test_caller_who_signed_in_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)

    async def run() -> None:
        async with serve() as address, httpx.AsyncClient(base_url=address) as client:
            assert (await client.get(PREVIEW)).status_code == 200
            await asyncio.sleep(0.5)
            assert (await client.get(PREVIEW)).status_code == 200

    asyncio.run(run())
