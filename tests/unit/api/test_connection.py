"""Connections to the API: one too many is told so in the form of all errors."""

import asyncio
import socket

import httpx
import pytest
import uvicorn
from kubernetes.aio.client import Configuration

from download_api import connection
from download_api.app import build_app
from download_api.connection import PunctualProtocol
from download_api.settings import Settings

PREVIEW = "/cron/preview?expr=@daily"


def test_one_connection_too_many_is_a_problem_as_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 1)

    async def asked() -> None:
        app = build_app(Settings(), Configuration(host="http://127.0.0.1:1"))
        server = uvicorn.Server(uvicorn.Config(app, http=PunctualProtocol, log_config=None))
        own = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{own.getsockname()[1]}"
        serving = asyncio.create_task(server.serve([own]))
        async with httpx.AsyncClient(base_url=address, trust_env=False) as first:
            assert (await first.get(PREVIEW)).status_code == 200
            async with httpx.AsyncClient(base_url=address, trust_env=False) as second:
                refused = await second.get(PREVIEW)
                probed = await second.get("/livez")
            assert (await first.get(PREVIEW)).status_code == 200
        server.should_exit = True
        await serving
        assert (refused.status_code, probed.status_code) == (503, 200)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"]["error_type"] == "too_many_connections"
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert refused.headers["x-request-id"]

    asyncio.run(asked())
