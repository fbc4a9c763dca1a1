"""What the client makes of answers that are not the API server's."""

import asyncio

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from download_api.kube import Cluster, ClusterError, UnreachableError


@pytest.mark.parametrize("body", ["<html>", '"bad gateway"', "null", "[]", ""])
def test_an_answer_that_is_no_object_is_none(body: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, status=502 if request.path == "/refused" else 200)

    async def scene() -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        cluster = Cluster(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}"))
        try:
            with pytest.raises(ClusterError) as refused:
                await cluster.request("GET", "/refused")
            assert (refused.value.status, refused.value.reason) == (502, "")
            with pytest.raises(UnreachableError, match="no JSON object"):
                await cluster.request("GET", "/taken")
        finally:
            await cluster.close()
            await runner.cleanup()

    asyncio.run(scene())
