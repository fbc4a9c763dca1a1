"""What the client makes of responses that are not the API server's, and which token it sends."""

import asyncio

import kopf
import pytest
from aiohttp import web

from download_kube.client import LARGE_READS, KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.lines import LARGE_BYTES
from download_kube.login import NoClusterError
from tests.support.odd_server import run_with_client, serve


@pytest.mark.parametrize("body", ["<html>", '"bad gateway"', "null", "[]", ""])
def test_response_that_is_not_a_json_object_is_an_error(body: str) -> None:
    async def test(client: KubeClient) -> None:
        with pytest.raises(ApiError) as refusal:
            await client.request("GET", "/refused")
        assert refusal.value.status == 502
        assert str(refusal.value) == "the API server responded with status 502"

        with pytest.raises(UnreachableError, match="not a JSON object"):
            await client.request("GET", "/accepted")

    def respond(request: web.Request) -> web.Response:
        return web.Response(text=body, status=502 if request.path == "/refused" else 200)

    run_with_client(test, respond)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    received: list[tuple[str, str]] = []

    def respond(request: web.Request) -> web.Response:
        received.append((request.method, request.path))
        if request.path == "/elsewhere":
            return web.Response(text="{}")
        return web.Response(text="{}", status=status, headers={"Location": "/elsewhere"})

    async def test(client: KubeClient) -> None:
        with pytest.raises(UnreachableError, match=f"redirect .{status}., which is never followed"):
            await client.request("POST", "/changed", {})
        with pytest.raises(UnreachableError, match="redirect"):
            await client.get_as("token", "/read")
        with pytest.raises(UnreachableError, match="redirect"):
            async with client.stream("/watched", {}):
                pass

    run_with_client(test, respond)
    assert received == [("POST", "/changed"), ("GET", "/read"), ("GET", "/watched")]


def test_new_token_is_used_within_a_minute_and_never_sent_to_another_server() -> None:
    received: list[str] = []

    def respond(request: web.Request) -> web.Response:
        received.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.Response(text="{}")

    async def run() -> None:
        async with serve(respond) as server:
            now = 0.0
            accounts: dict[float, kopf.ConnectionInfo | None] = {
                0: kopf.ConnectionInfo(server=server, token="first"),
                60: kopf.ConnectionInfo(server=server, token="second"),
                120: None,
                180: kopf.ConnectionInfo(server="http://127.0.0.1:1", token="another"),
                240: kopf.ConnectionInfo(server=server, token="third"),
            }

            def login() -> kopf.ConnectionInfo:
                account = accounts[now]
                if account is None:
                    raise NoClusterError
                return account

            client = KubeClient(login, "test", timeout_seconds=30, clock=lambda: now)
            for seconds in (0, 59.9, 60, 120, 180, 240):
                now = seconds
                await client.request("GET", "/")
            await client.close()

    asyncio.run(run())

    assert received == ["first", "first", "second", "second", "second", "third"]


def test_large_response_waits_for_its_turn() -> None:
    def respond(request: web.Request) -> web.Response:
        size = int(request.query["size"])
        return web.json_response({"x": "<" * size})

    async def test(client: KubeClient) -> None:
        small, large = ({"size": str(size)} for size in (LARGE_BYTES // 2, 3 * LARGE_BYTES))
        for _ in range(LARGE_READS):
            await client.large_reads.acquire()
        assert len((await client.request("GET", "/", query=small))["x"]) == LARGE_BYTES // 2
        waiting = asyncio.create_task(client.request("GET", "/", query=large))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        client.large_reads.release()
        assert len((await waiting)["x"]) == 3 * LARGE_BYTES

    run_with_client(test, respond)


def test_managed_fields_are_left_out() -> None:
    """They can be larger than all the rest, and an update without them leaves them as they are."""
    document = {"metadata": {"name": "x", "managedFields": [{"manager": "x"}]}}

    async def test(client: KubeClient) -> None:
        assert await client.request("GET", "/") == {"metadata": {"name": "x"}}

    run_with_client(test, lambda _: web.json_response(document))
