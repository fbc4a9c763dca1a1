"""What becomes of a request that meets a fault of ours."""

import asyncio

import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from download_api.server.middleware import Envelope
from download_api.server.request_metrics import Traffic


async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
    raise KeyError("a secret")


async def faulty_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"some")(scope, receive, send)
    raise KeyError("a secret")


def ask(app: ASGIApp, traffic: Traffic) -> httpx.Response:
    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await Envelope(app, traffic)({**scope, "state": {}}, receive, send)  # as uvicorn has it

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.delete("/x", headers={"X-Request-ID": "mine"})

    return asyncio.run(asked())


def test_a_fault_of_ours_is_a_problem_that_names_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traffic = Traffic()
    answer = ask(faulty, traffic)
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]["error_type"] == "internal_error"
    assert "a secret" not in answer.text
    assert "request mine" in caplog.text
    assert traffic.problems == {"internal_error": 1}


def test_a_fault_in_the_middle_of_an_answer_sends_no_second_head() -> None:
    assert ask(faulty_halfway, Traffic()).content == b"some"
