"""A connection to the API server that is cut again and again, whatever is under way on it."""

import asyncio
import random
from contextlib import suppress


class ConnectionCutter:
    """Forwards TCP connections, and aborts a random one every now and then.

    The API server may or may not have carried out a request whose connection is cut. The client
    cannot know.

    Args:
        host: where to forward to.
        port: where to forward to.
        rng: decides when, and which.
        seconds: mean time between two cuts.
    """

    def __init__(self, host: str, port: int, rng: random.Random, seconds: float) -> None:
        self.cuts = 0
        self._target = host, port
        self._rng = rng
        self._seconds = seconds
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of the loopback interface; return the port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def cut(self) -> None:
        """Cut connections until cancelled."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.2, 1.8) * self._seconds)
            if self._clients:
                self._rng.choice(sorted(self._clients, key=id)).transport.abort()
                self.cuts += 1

    def stop(self) -> None:
        """Close everything."""
        if self._server:
            self._server.close()
        for client in self._clients:
            client.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            server_reader, server = await asyncio.open_connection(*self._target)
        except OSError:
            client.transport.abort()
            return
        self._clients.add(client)
        await asyncio.gather(_copy(reader, server), _copy(server_reader, client))
        self._clients.discard(client)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
