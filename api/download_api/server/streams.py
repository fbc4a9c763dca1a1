"""Answers without an end of their own: how many, how long, and that they end with the process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Final, TypeVar

from aiohttp import ClientError
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from download_api.problems import ProblemError
from download_kube.client import UnreachableError

MAX_STREAMS: Final = 20
"""Of one caller at the same time."""
MAX_SECONDS: Final = 600.0
"""After it the caller has to come again, and show that he still may."""
BEAT_SECONDS: Final = 15.0

S = TypeVar("S")
T = TypeVar("T")


class Streams:
    """The streams under way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many there are."""
        return self._open.total()

    def stop(self) -> None:
        """Have all of them end; for a signal handler too."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def answer(
        self,
        caller: str,
        source: AbstractAsyncContextManager[S],
        tell: Callable[[S], AsyncIterator[bytes]],
        headers: Mapping[str, str],
        status: int = 200,
    ) -> Response:
        """Open *source* for *caller*; return the answer that tells what comes from it.

        Raises:
            ProblemError: 429, he has too many streams; or *source* raised it.
        """
        async with AsyncExitStack() as opening:
            opening.enter_context(self._counted(caller))
            opened = await opening.enter_async_context(source)
            return _Stream(tell(opened), status, headers, opening.pop_all())

    @contextmanager
    def _counted(self, caller: str) -> Iterator[None]:
        if self._open[caller] >= MAX_STREAMS:
            sentence = f"More than {MAX_STREAMS} streams at a time: close one of them first."
            raise ProblemError(429, "too_many_streams", sentence, {"Retry-After": "5"})
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    async def follow(
        self, read: Callable[[], Awaitable[T]], insist: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[T | None]:
        """Yield what *read* returns, and None when nothing came for a while.

        Ends when *read* returns something empty or cannot go on, when the process stops, after ten
        minutes, and before the first piece that *insist* does not let the caller have.
        """
        until = self._loop.time() + MAX_SECONDS
        stopping = asyncio.ensure_future(self._stopping.wait())
        reading = asyncio.ensure_future(read())
        try:
            while not stopping.done() and self._loop.time() < until:
                # Not cancelled when time is up: half of a line would be lost with it.
                await asyncio.wait(
                    {reading, stopping}, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not await _lets(insist):
                    return
                if not reading.done():
                    yield None
                    continue
                if not (piece := _result(reading)):
                    return
                yield piece
                reading = asyncio.ensure_future(read())
        finally:
            for task in (stopping, reading):
                task.cancel()
            await asyncio.gather(stopping, reading, return_exceptions=True)


class _Stream(StreamingResponse):
    """Closes what it reads from, also where the caller left before its first word."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        status: int,
        headers: Mapping[str, str],
        opened: AsyncExitStack,
    ) -> None:
        super().__init__(content, status, headers)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened:
            await super().__call__(scope, receive, send)


async def _lets(insist: Callable[[], Awaitable[None]]) -> bool:
    """In doubt, no: as before the first word of an answer, but without a word of why."""
    try:
        await insist()
    except (ProblemError, UnreachableError):
        return False
    return True


def _result(reading: "asyncio.Future[T]") -> T | None:
    """The head of the answer is sent already: what breaks off can only end."""
    try:
        return reading.result()
    except (UnreachableError, ClientError, OSError, ValueError):
        return None
