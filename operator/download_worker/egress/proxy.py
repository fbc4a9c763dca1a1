"""A forward proxy inside the worker, which applies its address policy to other programs.

These are the browser that renders a page and the client of S3, which have no other way out. The
proxy looks each name up once, and connects to the very address that the policy judged. So neither a
redirect nor a WebSocket, nor a name server that changes its answer, leads to an address that a
download itself could not reach.

Where the operator's configuration names a proxy, this one passes every request on to it. Then it is
that proxy that looks names up and judges addresses, as it does for downloads. This one still judges
ports.
"""

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

from download_worker.egress import http1
from download_worker.egress.http1 import Target
from download_worker.egress.policy import EgressPolicy
from download_worker.egress.upstream import WHAT, RefusedError, Streams, Upstream, receive_response
from download_worker.errors import Reason

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 64 * 1024
REQUEST_HEAD_SECONDS: Final = 30.0
"""Timeout for the head of a request."""
RESPONSE_HEAD_SECONDS: Final = 300.0
"""Timeout from the head of a request to that of its response; its body is sent in between."""
MAX_CONNECTIONS: Final = 128
GATEWAY_STATUSES: Final = frozenset({502, 504})
"""Answers of the proxy itself where a server cannot be reached or understood."""
MAX_REPORTED: Final = 20
"""Refusals that are kept for the error message; a page can cause any number of them."""


@dataclass(slots=True)
class ProxyStats:
    """What passed through the proxy, and what did not.

    Attributes:
        port: on which the proxy listens.
        bytes: in both directions.
        is_exhausted: whether the bytes reached their limit, so that nothing passes any more.
        refused: the first few ``host:port`` that were refused, and why. Not their addresses:
            everything that is said about them may be read by somebody who must not learn what is
            inside.
        failure: why the proxy last could not connect, or ended a connection; empty: it never did.
    """

    port: int = 0
    bytes: int = 0
    is_exhausted: bool = False
    failure: str = ""
    refused: dict[str, Reason] = field(default_factory=dict)

    def add_refusal(self, target: Target, reason: Reason) -> None:
        """Log a refusal and keep it for the message."""
        authority = http1.authority(target.host, target.port)
        log.info("refused: %s, because of its %s", authority, WHAT[reason])
        if len(self.refused) < MAX_REPORTED:
            self.refused.setdefault(authority, reason)


@contextmanager
def egress_proxy(
    policy: EgressPolicy,
    *,
    max_bytes: int,
    connect_timeout_seconds: float,
    next_proxy: str = "",
    max_response_bytes: int = sys.maxsize,
) -> Iterator[ProxyStats]:
    """Run the proxy in a thread of its own until the block ends.

    Args:
        policy: which addresses and ports are open.
        max_bytes: limit for all connections together.
        connect_timeout_seconds: for a look-up and the connection that follows.
        next_proxy: through which everything goes, ``http://host:port``; empty: none.
        max_response_bytes: limit for what a server sends before the client sends more.
    """
    listener = socket.create_server((HOST, 0), backlog=MAX_CONNECTIONS)
    stats = ProxyStats(listener.getsockname()[1])
    upstream = Upstream(policy, connect_timeout_seconds, next_proxy, stats.add_refusal)
    proxy = _Proxy(upstream, max_bytes, max_response_bytes, stats)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(proxy.serve(listener, stop)), name="egress-proxy"
    )
    thread.start()
    try:
        yield stats
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class _Proxy:
    def __init__(
        self, upstream: Upstream, max_bytes: int, max_response_bytes: int, stats: ProxyStats
    ) -> None:
        self._upstream = upstream
        self._max_bytes = max_bytes
        self._max_response_bytes = max_response_bytes
        self._stats = stats
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(
            self._on_client, sock=listener, limit=http1.MAX_HEAD_BYTES
        )
        await stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                raise RefusedError(503, "too many connections")
            await self._serve_client(reader, writer)
        except RefusedError as refusal:
            status, explanation = refusal.args
            if status in GATEWAY_STATUSES:
                self._stats.failure = explanation
            with suppress(OSError):
                writer.write(http1.refusal(status, explanation))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, TimeoutError) as error:
            log.debug("a connection ended: %r", error)
        except asyncio.CancelledError:
            log.debug("a connection ended with the proxy")  # Python 3.11 would print a traceback
        finally:
            writer.close()

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(REQUEST_HEAD_SECONDS):
            head = await reader.readuntil(http1.END_OF_HEAD)
        try:
            request = http1.parse_request(head)
            body_length = http1.body_length(request)
        except ValueError as error:
            raise RefusedError(400, f"invalid request: {error}") from None
        target = http1.find_target(request)
        if target is None:
            raise RefusedError(400, "write CONNECT host:port or an absolute http address")
        async with self._upstream.connection(target) as (upstream, to_upstream):
            if request.method == b"CONNECT":
                writer.write(http1.CONNECTED)
                await self._tunnel((reader, writer), (upstream, to_upstream))
            else:
                is_absolute = self._upstream.is_proxy
                head = http1.forwarded_request(request, target, is_absolute=is_absolute)
                await self._forward(head, body_length, (reader, writer), (upstream, to_upstream))

    async def _forward(
        self, head: bytes, body_length: int, client: Streams, server: Streams
    ) -> None:
        """Forward one request and return its response. The connection is not used again.

        A second request on it could be for another host, which the policy has not judged.
        """
        self._count(len(head))
        server[1].write(head)
        sending = asyncio.create_task(self._send_body(body_length, client[0], server[1]))
        try:
            async with asyncio.timeout(RESPONSE_HEAD_SECONDS):
                response = await receive_response(server[0])
            client[1].write(http1.returned_response(response))
            await self._copy(server[0], client[1], self._response_size().add)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_body(
        self, missing: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while missing and (piece := await reader.read(min(missing, PIECE_BYTES))):
            self._count(len(piece))
            writer.write(piece)
            await writer.drain()
            missing -= len(piece)

    async def _tunnel(self, client: Streams, server: Streams) -> None:
        response = self._response_size()
        directions = (
            self._copy(client[0], server[1], response.restart),
            self._copy(server[0], client[1], response.add),
        )
        tasks = [asyncio.create_task(direction) for direction in directions]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_piece: Callable[[int], None],
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            self._count(len(piece))
            on_piece(len(piece))
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    def _response_size(self) -> "_ResponseSize":
        return _ResponseSize(self._max_response_bytes, self._stats)

    def _count(self, size: int) -> None:
        self._stats.bytes += size
        if self._stats.bytes > self._max_bytes:
            self._stats.is_exhausted = True
            raise ConnectionAbortedError("the page asks for too many bytes")


class _ResponseSize:
    """Counts what a server sends until the client sends more."""

    def __init__(self, max_bytes: int, stats: ProxyStats) -> None:
        self._max_bytes = max_bytes
        self._stats = stats
        self._bytes = 0

    def restart(self, _size: int) -> None:
        self._bytes = 0

    def add(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._max_bytes:
            self._stats.failure = f"its response has more than {self._max_bytes} bytes"
            raise ConnectionAbortedError(self._stats.failure)
