"""A forward proxy within the worker: its address rules for what connects by itself.

That is the browser of a page, and the client of S3; they know no other way out. Each name is
looked up here, once, and connected to is the very address that was judged, so that no page,
redirect, WebSocket or look-up that changes its answer leads to an address that a download itself
could not reach.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

from download_worker.egress import http1 as messages
from download_worker.egress.http1 import Head, Target
from download_worker.egress.policy import Network, is_allowed

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 300.0
"""From the end of a request's head to that of its answer's: its body goes out in between."""
MAX_CONNECTIONS: Final = 128
MAX_REMEMBERED: Final = 20
"""Refusals kept for the message; a page can make any number of them."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Passed:
    """What went through, and what did not.

    Attributes:
        port: where the gate listens.
        bytes: in both directions.
        too_much: whether the bytes reached their limit; nothing passes any more.
        refused: address of each ``host:port`` that was refused, the first few.
    """

    port: int = 0
    bytes: int = 0
    too_much: bool = False
    refused: dict[str, str] = field(default_factory=dict)

    def refuse(self, target: Target, address: str) -> None:
        """Remember a refusal."""
        where = messages.authority(target.host, target.port)
        log.info("refused: %s (%s)", where, address)
        if len(self.refused) < MAX_REMEMBERED:
            self.refused.setdefault(where, address)


@contextmanager
def gate(allowed: tuple[Network, ...], max_bytes: int, connect_seconds: float) -> Iterator[Passed]:
    """Run the proxy in a thread of its own until the block ends.

    Args:
        allowed: ranges open beyond public addresses.
        max_bytes: at most so much goes through, all connections together.
        connect_seconds: for one look-up and the connection made of it.
    """
    listener = socket.create_server((HOST, 0), backlog=MAX_CONNECTIONS)
    running = _Gate(allowed, max_bytes, connect_seconds, Passed(listener.getsockname()[1]))
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(running.serve(listener, stop)), name="gate"
    )
    thread.start()
    try:
        yield running.passed
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class _RefusedError(Exception):
    """A connection that must not, or cannot, be made; the arguments are an answer's."""


class _Gate:
    def __init__(
        self,
        allowed: tuple[Network, ...],
        max_bytes: int,
        connect_seconds: float,
        passed: Passed,
    ) -> None:
        self.passed = passed
        self._allowed = allowed
        self._max_bytes = max_bytes
        self._connect_seconds = connect_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._client, sock=listener, limit=messages.MAX_HEAD)
        await stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                raise _RefusedError(503, "too many connections")
            await self._answer(reader, writer)
        except _RefusedError as refusal:
            with suppress(OSError):
                writer.write(messages.refusal(*refusal.args))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, TimeoutError) as error:
            log.debug("a connection ended: %r", error)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = messages.parse(await reader.readuntil(messages.END))
        target = messages.target(head)
        if target is None:
            raise _RefusedError(400, "write CONNECT host:port or an absolute http address")
        async with self._connected(target) as (upstream, to_upstream):
            if head.method == "CONNECT":
                writer.write(messages.CONNECTED)
                await self._tunnel((reader, writer), (upstream, to_upstream))
            else:
                await self._forward(head, target, (reader, writer), (upstream, to_upstream))

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[Streams]:
        try:
            async with asyncio.timeout(self._connect_seconds):
                streams = await self._connect(target)
        except TimeoutError:
            raise _RefusedError(504, f"no connection to {target.host}") from None
        try:
            yield streams
        finally:
            streams[1].close()

    async def _connect(self, target: Target) -> Streams:
        """Connect to the first address of the host that may be connected to and answers."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                target.host, target.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise _RefusedError(502, f"{target.host} is not found") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        public = [each for each in addresses if is_allowed(each, self._allowed)]
        if not public:
            self.passed.refuse(target, addresses[0])
            raise _RefusedError(403, f"{target.host} is not a public address")
        for address in public:
            with suppress(OSError):
                return await asyncio.open_connection(address, target.port, limit=messages.MAX_HEAD)
        raise _RefusedError(502, f"no connection to {target.host}")

    async def _forward(self, head: Head, target: Target, client: Streams, server: Streams) -> None:
        """Pass one request on, and its answer back; the connection is not used again.

        A second request on it could be for another host, which nobody would have judged.
        """
        self._count(len(messages.forwarded(head, target)))
        server[1].write(messages.forwarded(head, target))
        sending = asyncio.create_task(self._send_body(head, client[0], server[1]))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = messages.parse(await server[0].readuntil(messages.END))
                while answer.status in messages.INTERIM:
                    answer = messages.parse(await server[0].readuntil(messages.END))
            if answer.status < 200:
                raise _RefusedError(502, "the server changes the protocol")
            client[1].write(messages.returned(answer))
            await self._copy(server[0], client[1])
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_body(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        left = messages.body_length(head)
        while left and (piece := await reader.read(min(left, PIECE_BYTES))):
            self._count(len(piece))
            writer.write(piece)
            await writer.drain()
            left -= len(piece)

    async def _tunnel(self, client: Streams, server: Streams) -> None:
        ways = (self._copy(client[0], server[1]), self._copy(server[0], client[1]))
        tasks = [asyncio.create_task(way) for way in ways]
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
        self.passed.bytes += size
        if self.passed.bytes > self._max_bytes:
            self.passed.too_much = True
            raise ConnectionAbortedError("the page asks for too many bytes")
