"""A server whose responses a test chooses, and a client of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import kopf
from aiohttp import web

from download_kube.client import KubeClient

Respond = Callable[[web.Request], web.Response]


@asynccontextmanager
async def serve(respond: Respond) -> AsyncIterator[str]:
    """Respond to every request like this while the block runs; yield the server's address."""

    async def handle(request: web.Request) -> web.Response:
        return respond(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def run_with_client(test: Callable[[KubeClient], Awaitable[None]], respond: Respond) -> None:
    """Run a test with a client of such a server."""

    async def run() -> None:
        async with serve(respond) as server:
            account = kopf.ConnectionInfo(server=server)
            client = KubeClient(lambda: account, "test", timeout_seconds=30)
            try:
                await test(client)
            finally:
                await client.close()

    asyncio.run(run())
