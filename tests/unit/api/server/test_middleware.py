"""Requests that meet an error in our own code."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from download_api.server.middleware import RequestMiddleware
from download_api.server.request_metrics import RequestMetrics


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise KeyError("a secret")


async def fail_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"some")(scope, receive, send)
    raise KeyError("a secret")


def send_request(app: ASGIApp, registry: CollectorRegistry) -> httpx.Response:
    middleware = RequestMiddleware(app, RequestMetrics(registry))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await middleware({**scope, "state": {}}, receive, send)  # uvicorn adds the state

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(serve, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.delete("/x", headers={"X-Request-ID": "mine"})

    return asyncio.run(request())


def test_internal_error_is_a_problem_that_names_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    response = send_request(fail, registry)
    assert response.status_code == 500
    assert response.headers["X-Request-ID"] == "mine"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]["error_type"] == "internal_error"
    assert "a secret" not in response.text
    assert "request mine" in caplog.text
    labels = {"error_type": "internal_error"}
    assert registry.get_sample_value("download_api_problems_total", labels) == 1


def test_internal_error_in_the_middle_of_a_response_does_not_start_another() -> None:
    assert send_request(fail_halfway, CollectorRegistry()).content == b"some"
