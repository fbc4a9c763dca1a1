"""A server that says what the API server never would, and a client that asks it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import kopf
from aiohttp import web

from download_kube.client import KubeClient

Scene = Callable[[KubeClient], Awaitable[None]]
Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    async def respond(request: web.Request) -> web.Response:
        return answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def play(scene: Scene, answer: Answer) -> None:
    async def played() -> None:
        async with serving(answer) as server:
            client = KubeClient(
                lambda: kopf.ConnectionInfo(server=server), "test", timeout_seconds=30
            )
            try:
                await scene(client)
            finally:
                await client.close()

    asyncio.run(played())
