"""An API server on a bad day: the real one, behind a proxy that refuses, delays and garbles."""

import asyncio
import random
from collections import Counter
from typing import Final

import kopf
import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

SHARE: Final = 0.1
"""Of the requests, and of the pieces of a watch, that something happens to."""
SLOW_SECONDS: Final = 2.0
MAX_BYTES: Final = 4 * 1024**2

_REFUSALS: Final = {
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_HOP_BY_HOP: Final = frozenset({"connection", "host", "content-length", "transfer-encoding"})


class Trouble:
    """Speaks HTTP on the loopback, and passes on to the API server what it does not spoil.

    Args:
        account: where the API server is, and who we are to it.
        dice: decides what is spoilt, and how.
    """

    def __init__(self, account: kopf.ConnectionInfo, dice: random.Random) -> None:
        self.made: Counter[str] = Counter()
        """How often each kind was made."""
        self._account = account
        self._dice = dice
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on a free port of the loopback, and return it."""
        connector = TCPConnector(limit=0, ssl=self._account.as_ssl_context())
        self._session = ClientSession(
            self._account.server,
            connector=connector,
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=MAX_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
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

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._pass_on(request)
        except ConnectionError:  # whoever asked was cut off, or killed
            return web.Response()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self._strikes("slow"):
            await asyncio.sleep(self._dice.uniform(0, SLOW_SECONDS))
        if self._strikes("refused"):
            return self._refuse()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        try:
            async with self._session.request(
                request.method, request.rel_url, headers=headers, data=body or None
            ) as answer:
                if request.query.get("watch") and answer.status == 200:
                    return await self._watch(request, answer)
                text = await answer.read()
        except ClientError:
            return _status(503)
        if request.method != "GET" and self._strikes("carried out and denied"):
            return _status(504)
        return web.Response(
            status=answer.status, body=text, headers={"Content-Type": answer.content_type}
        )

    async def _watch(self, request: web.Request, answer: ClientResponse) -> web.StreamResponse:
        """Pass a watch on, until it ends in one of the ways in which watches end."""
        response = web.StreamResponse(headers={"Content-Type": answer.content_type})
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            if self._strikes("expired"):
                gone = {"type": "ERROR", "object": _body(410, "Expired")}
                await response.write(orjson.dumps(gone) + b"\n")
                break
            if self._strikes("half an event"):
                await response.write(piece[: len(piece) // 2])
                break
            if self._strikes("rubbish"):
                await response.write(b'{"type": "ADDED", "object": {}}\n')
            await response.write(piece)
        return response

    def _strikes(self, kind: str) -> bool:
        struck = self._dice.random() < SHARE / 3
        self.made[kind] += struck
        return struck

    def _refuse(self) -> web.Response:
        return _status(self._dice.choice(sorted(_REFUSALS)))


def _status(code: int) -> web.Response:
    return web.json_response(_body(code, _REFUSALS[code]), status=code)


def _body(code: int, reason: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": f"{reason}: bad weather",
    }
