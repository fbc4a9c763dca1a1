"""A way to the API server that is cut again and again, whatever is under way on it."""

import asyncio
import random
from contextlib import suppress


class Cutter:
    """Forwards TCP connections to the API server, and aborts one at random every now and then.

    A request whose connection is cut may have been carried out or not: the client cannot know.
    """

    def __init__(self, host: str, port: int, dice: random.Random, seconds: float) -> None:
        self.cuts = 0
        self._target = host, port
        self._dice = dice
        self._seconds = seconds
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of the loopback, and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def cut(self) -> None:
        """Cut for as long as this task lives."""
        while True:
            await asyncio.sleep(self._dice.uniform(0.2, 1.8) * self._seconds)
            if self._open:
                self._dice.choice(sorted(self._open, key=id)).transport.abort()
                self.cuts += 1

    def stop(self) -> None:
        """Close everything."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(writer)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._open.discard(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
