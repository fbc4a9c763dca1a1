"""A proxy before the API server that delays, refuses and garbles some of its responses."""

import asyncio
import random
from collections import Counter
from typing import Final

import kopf
import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

SHARE: Final = 0.1
"""Share of the requests, and of the chunks of a watch, that something happens to."""
MAX_DELAY_SECONDS: Final = 2.0
MAX_BYTES: Final = 4 * 1024**2

_REFUSALS: Final = {
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_HOP_BY_HOP: Final = frozenset({"connection", "host", "content-length", "transfer-encoding"})


class FaultyProxy:
    """Listens with HTTP on the loopback interface, and forwards to the API server.

    Args:
        account: where the API server is, and how to log in.
        rng: decides which responses are spoilt, and how.
    """

    def __init__(self, account: kopf.ConnectionInfo, rng: random.Random) -> None:
        self.faults: Counter[str] = Counter()
        """Spoilt responses by kind."""
        self._account = account
        self._rng = rng
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on a free port of the loopback interface; return the port."""
        connector = TCPConnector(limit=0, ssl=self._account.as_ssl_context())
        self._session = ClientSession(
            self._account.server,
            connector=connector,
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=MAX_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close everything."""
        if self._runner:
            await self._session.close()
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._forward(request)
        except ConnectionError:  # the client was cut off or killed
            return web.Response()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if self._strikes("delayed"):
            await asyncio.sleep(self._rng.uniform(0, MAX_DELAY_SECONDS))
        if self._strikes("refused"):
            return _refusal(self._rng.choice(sorted(_REFUSALS)))
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        try:
            async with self._session.request(
                request.method, request.rel_url, headers=headers, data=body or None
            ) as response:
                if request.query.get("watch") and response.status == 200:
                    return await self._forward_watch(request, response)
                text = await response.read()
        except ClientError:
            return _refusal(503)
        if request.method != "GET" and self._strikes("carried out and denied"):
            return _refusal(504)
        return web.Response(
            status=response.status, body=text, headers={"Content-Type": response.content_type}
        )

    async def _forward_watch(
        self, request: web.Request, response: ClientResponse
    ) -> web.StreamResponse:
        """Forward a watch, until it ends in one of the ways in which watches end."""
        stream = web.StreamResponse(headers={"Content-Type": response.content_type})
        await stream.prepare(request)
        async for chunk in response.content.iter_any():
            if self._strikes("expired"):
                gone = {"type": "ERROR", "object": _status(410, "Expired")}
                await stream.write(orjson.dumps(gone) + b"\n")
                break
            if self._strikes("half an event"):
                await stream.write(chunk[: len(chunk) // 2])
                break
            if self._strikes("not an object"):
                await stream.write(b'{"type": "ADDED", "object": {}}\n')
            await stream.write(chunk)
        return stream

    def _strikes(self, kind: str) -> bool:
        strikes = self._rng.random() < SHARE / 3
        self.faults[kind] += strikes
        return strikes


def _refusal(code: int) -> web.Response:
    return web.json_response(_status(code, _REFUSALS[code]), status=code)


def _status(code: int, reason: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": f"{reason}: made by the faulty proxy",
    }
