"""Connections to the API that nobody need sign in to: from where, and how many."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import kopf
import pytest
import uvicorn

from download_api.app import build_app
from download_api.server import protocol
from download_api.server.protocol import PunctualProtocol
from download_api.settings import Settings

PREVIEW = "/cron/preview?expr=@daily"


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """An API that asks nobody who he is; yields its address."""
    app = build_app(Settings(), lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"))
    server = uvicorn.Server(uvicorn.Config(app, http=PunctualProtocol, log_config=None))
    own = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([own]))
    yield f"http://127.0.0.1:{own.getsockname()[1]}"
    server.should_exit = True
    await serving


def test_a_page_of_another_site_is_not_let_in() -> None:
    async def asked() -> None:
        async with served() as address, httpx.AsyncClient(base_url=address) as client:
            for headers in ({"Host": "rebound.example"}, {"Origin": "https://page.example"}):
                refused = await client.get(PREVIEW, headers=headers)
                assert refused.status_code == 401
                assert "ask http://localhost" in refused.json()["detail"]["error"]
            assert (await client.get(PREVIEW)).status_code == 200

    asyncio.run(asked())


def test_one_connection_too_many_is_a_problem_as_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 1)

    async def asked() -> None:
        async with served() as address, httpx.AsyncClient(base_url=address) as first:
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

    asyncio.run(asked())
