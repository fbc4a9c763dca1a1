"""What the client makes of responses that are not the API server's."""

import asyncio

import kopf
import pytest
from aiohttp import web

from download_kube.client import ApiError, KubeClient, UnreachableError
from download_kube.login import NoClusterError
from tests.support.odd_server import play, serving


@pytest.mark.parametrize("body", ["<html>", '"bad gateway"', "null", "[]", ""])
def test_an_answer_that_is_no_object_is_none(body: str) -> None:
    async def scene(client: KubeClient) -> None:
        with pytest.raises(ApiError) as refused:
            await client.request("GET", "/refused")
        assert (refused.value.status, str(refused.value)) == (
            502,
            "the API server responded with status 502",
        )
        with pytest.raises(UnreachableError, match="not a JSON object"):
            await client.request("GET", "/taken")

    def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, status=502 if request.path == "/refused" else 200)

    play(scene, answer)


def test_a_new_token_is_used_within_a_minute_and_never_told_to_another_server() -> None:
    heard: list[str] = []

    def answer(request: web.Request) -> web.Response:
        heard.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.Response(text="{}")

    async def played() -> None:
        async with serving(answer) as server:
            now = 0.0
            said: dict[float, kopf.ConnectionInfo | None] = {
                0: kopf.ConnectionInfo(server=server, token="first"),
                60: kopf.ConnectionInfo(server=server, token="second"),
                120: None,
                180: kopf.ConnectionInfo(server="http://127.0.0.1:1", token="another"),
                240: kopf.ConnectionInfo(server=server, token="third"),
            }

            def login() -> kopf.ConnectionInfo:
                account = said[now]
                if account is None:
                    raise NoClusterError
                return account

            client = KubeClient(login, "test", timeout_seconds=30, clock=lambda: now)
            for later in (0, 59.9, 60, 120, 180, 240):
                now = later
                await client.request("GET", "/")
            await client.close()

    asyncio.run(played())
    assert heard == ["first", "first", "second", "second", "second", "third"]
