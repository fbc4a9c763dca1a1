"""Responses without an end of their own: how many, for how long, and that they end with the
process.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Final, TypeVar

from aiohttp import ClientError
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from download_api.problems.problem import ProblemError
from download_kube.errors import UnreachableError

MAX_STREAMS: Final = 20
"""Streams that one caller may have at a time."""
MAX_SECONDS: Final = 600.0
"""Longest time of one stream. Then the caller has to authenticate again."""
HEARTBEAT_SECONDS: Final = 15.0

S = TypeVar("S")
T = TypeVar("T")


class Streams:
    """The streams that are open.

    Args:
        max_seconds: longest time of one stream.
        heartbeat_seconds: how long a stream may be silent.
    """

    def __init__(
        self,
        max_seconds: float = MAX_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._max_seconds = max_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._open: Counter[str] = Counter()
        """Number of streams by caller."""

    def __len__(self) -> int:
        """Return the number of open streams."""
        return self._open.total()

    def stop(self) -> None:
        """End all streams. May be called from a signal handler."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def respond(
        self,
        user: str,
        source: AbstractAsyncContextManager[S],
        read: Callable[[S], AsyncIterator[bytes]],
        headers: Mapping[str, str],
        status: int = 200,
    ) -> Response:
        """Open *source*, and return the response that sends what *read* yields from it.

        Args:
            user: the caller, whose streams are counted.
            source: closed when the response ends.
            read: yields the response's body.
            headers: headers of the response.
            status: HTTP status of the response.

        Raises:
            ProblemError: 429, the caller has too many streams; or opening *source* raised it.
        """
        async with AsyncExitStack() as resources:
            resources.enter_context(self._count(user))
            opened = await resources.enter_async_context(source)
            return _ClosingResponse(read(opened), status, headers, resources.pop_all())

    async def follow(
        self, read: Callable[[], Awaitable[T]], check_access: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[T | None]:
        """Yield what *read* returns, and None as a heartbeat if nothing came for a while.

        Ends when *read* returns something empty or fails, when the process stops, after ten
        minutes, and before anything is sent that *check_access* no longer allows.
        """
        deadline = self._loop.time() + self._max_seconds
        stopping = asyncio.ensure_future(self._stopping.wait())
        reading = asyncio.ensure_future(read())
        try:
            while not stopping.done() and self._loop.time() < deadline:
                # wait() does not cancel the read at a heartbeat, which would lose half a line.
                await asyncio.wait(
                    {reading, stopping},
                    timeout=self._heartbeat_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not await _is_allowed(check_access):
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

    @contextmanager
    def _count(self, user: str) -> Iterator[None]:
        if self._open[user] >= MAX_STREAMS:
            message = f"You have {MAX_STREAMS} streams open; close one of them first."
            raise ProblemError(429, "too_many_streams", message, {"Retry-After": "5"})
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]


class _ClosingResponse(StreamingResponse):
    """Closes what it reads from, even if the caller leaves before the first byte."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        status: int,
        headers: Mapping[str, str],
        resources: AsyncExitStack,
    ) -> None:
        super().__init__(content, status, headers)
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._resources:
            await super().__call__(scope, receive, send)


async def _is_allowed(check_access: Callable[[], Awaitable[None]]) -> bool:
    """Return whether the check passed. If it cannot be made, the answer is no."""
    try:
        await check_access()
    except (ProblemError, UnreachableError):
        return False
    return True


def _result(reading: "asyncio.Future[T]") -> T | None:
    """Return what was read. The headers are sent already, so an error can only end the stream."""
    try:
        return reading.result()
    except (UnreachableError, ClientError, OSError, ValueError):
        return None
