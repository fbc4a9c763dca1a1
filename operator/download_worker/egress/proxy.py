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
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import h11

from download_worker.egress import http1
from download_worker.egress.http1 import Target
from download_worker.egress.policy import EgressPolicy
from download_worker.errors import Reason

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 64 * 1024
REQUEST_HEAD_SECONDS: Final = 30.0
"""Timeout for the head of a request."""
RESPONSE_HEAD_SECONDS: Final = 300.0
"""Timeout from the head of a request to that of its response; its body is sent in between."""
MAX_CONNECTIONS: Final = 128
MAX_REPORTED: Final = 20
"""Refusals that are kept for the error message; a page can cause any number of them."""

_WHAT: Final = {Reason.ADDRESS_REFUSED: "address", Reason.PORT_REFUSED: "port"}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    """

    port: int = 0
    bytes: int = 0
    is_exhausted: bool = False
    refused: dict[str, Reason] = field(default_factory=dict)

    def add_refusal(self, target: Target, reason: Reason) -> None:
        """Log a refusal and keep it for the message."""
        authority = http1.authority(target.host, target.port)
        log.info("refused: %s, because of its %s", authority, _WHAT[reason])
        if len(self.refused) < MAX_REPORTED:
            self.refused.setdefault(authority, reason)


@contextmanager
def egress_proxy(
    policy: EgressPolicy,
    *,
    max_bytes: int,
    connect_timeout_seconds: float,
    next_proxy: str = "",
) -> Iterator[ProxyStats]:
    """Run the proxy in a thread of its own until the block ends.

    Args:
        policy: which addresses and ports are open.
        max_bytes: limit for all connections together.
        connect_timeout_seconds: for a look-up and the connection that follows.
        next_proxy: through which everything goes, ``http://host:port``; empty: none.
    """
    listener = socket.create_server((HOST, 0), backlog=MAX_CONNECTIONS)
    stats = ProxyStats(listener.getsockname()[1])
    proxy = _Proxy(policy, max_bytes, connect_timeout_seconds, next_proxy, stats)
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


class _RefusedError(Exception):
    """The proxy does not connect. The arguments are the status and the explanation."""


class _Proxy:
    def __init__(
        self,
        policy: EgressPolicy,
        max_bytes: int,
        connect_timeout_seconds: float,
        next_proxy: str,
        stats: ProxyStats,
    ) -> None:
        self._policy = policy
        self._max_bytes = max_bytes
        self._connect_timeout_seconds = connect_timeout_seconds
        self._next_proxy = urlsplit(next_proxy)
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
                raise _RefusedError(503, "too many connections")
            await self._serve_client(reader, writer)
        except _RefusedError as refusal:
            with suppress(OSError):
                writer.write(http1.refusal(*refusal.args))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, TimeoutError) as error:
            log.debug("a connection ended: %r", error)
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
            raise _RefusedError(400, f"invalid request: {error}") from None
        target = http1.find_target(request)
        if target is None:
            raise _RefusedError(400, "write CONNECT host:port or an absolute http address")
        async with self._connection(target) as (upstream, to_upstream):
            if request.method == b"CONNECT":
                writer.write(http1.CONNECTED)
                await self._tunnel((reader, writer), (upstream, to_upstream))
            else:
                is_absolute = bool(self._next_proxy.hostname)
                head = http1.forwarded_request(request, target, is_absolute=is_absolute)
                await self._forward(head, body_length, (reader, writer), (upstream, to_upstream))

    @asynccontextmanager
    async def _connection(self, target: Target) -> AsyncIterator[Streams]:
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                if self._next_proxy.hostname:
                    streams = await self._connect_by_next_proxy(target)
                else:
                    streams = await self._connect(target)
        except TimeoutError:
            raise _RefusedError(504, f"no connection to {target.host}") from None
        try:
            yield streams
        finally:
            streams[1].close()

    async def _connect(self, target: Target) -> Streams:
        """Connect to the first address of the host that is allowed and accepts."""
        try:
            entries = await asyncio.get_running_loop().getaddrinfo(
                target.host, target.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise _RefusedError(502, f"host {target.host} not found") from None
        addresses = {str(entry[4][0]): None for entry in entries}
        verdicts = {address: self._policy.refusal(address, target.port) for address in addresses}
        allowed = [address for address, refusal in verdicts.items() if refusal is None]
        if not allowed:
            is_port = Reason.PORT_REFUSED in verdicts.values()
            raise self._refuse(target, Reason.PORT_REFUSED if is_port else Reason.ADDRESS_REFUSED)
        for address in allowed:
            with suppress(OSError):
                return await asyncio.open_connection(
                    address, target.port, limit=http1.MAX_HEAD_BYTES
                )
        raise _RefusedError(502, f"no connection to {target.host}")

    def _refuse(self, target: Target, reason: Reason) -> _RefusedError:
        self._stats.add_refusal(target, reason)
        return _RefusedError(403, f"the {_WHAT[reason]} of {target.host} is refused")

    async def _connect_by_next_proxy(self, target: Target) -> Streams:
        """Connect to the next proxy, and through it to the host where a tunnel is asked for."""
        if not self._policy.has_port(target.port):
            raise self._refuse(target, Reason.PORT_REFUSED)
        try:
            streams = await asyncio.open_connection(
                self._next_proxy.hostname, self._next_proxy.port, limit=http1.MAX_HEAD_BYTES
            )
        except OSError:
            raise _RefusedError(502, "no connection to the proxy") from None
        if target.is_tunnel:
            streams[1].write(http1.connect_request(target))
            response = await self._receive_response(streams[0])
            if not 200 <= response.status_code < 300:
                streams[1].close()
                raise _RefusedError(502, f"the proxy answered {response.status_code}")
        return streams

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
                response = await self._receive_response(server[0])
            client[1].write(http1.returned_response(response))
            await self._copy(server[0], client[1])
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _receive_response(self, reader: asyncio.StreamReader) -> h11.Response:
        """Return the final response; interim ones (1xx) are left out."""
        while True:
            head = await reader.readuntil(http1.END_OF_HEAD)
            try:
                response = http1.parse_response(head)
            except ValueError as error:
                raise _RefusedError(502, f"invalid response: {error}") from None
            if isinstance(response, h11.Response):
                return response

    async def _send_body(
        self, missing: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while missing and (piece := await reader.read(min(missing, PIECE_BYTES))):
            self._count(len(piece))
            writer.write(piece)
            await writer.drain()
            missing -= len(piece)

    async def _tunnel(self, client: Streams, server: Streams) -> None:
        directions = (self._copy(client[0], server[1]), self._copy(server[0], client[1]))
        tasks = [asyncio.create_task(direction) for direction in directions]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            self._count(len(piece))
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    def _count(self, size: int) -> None:
        self._stats.bytes += size
        if self._stats.bytes > self._max_bytes:
            self._stats.is_exhausted = True
            raise ConnectionAbortedError("the page asks for too many bytes")
