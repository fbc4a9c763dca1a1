"""When a stream ends, and what it sends while nothing happens."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientPayloadError

from download_api.problems.problem import ProblemError
from download_api.server.streams import Streams
from download_kube.errors import UnreachableError


async def allow() -> None:
    """Allow the stream to go on."""


async def read_nothing() -> bytes:
    await asyncio.Event().wait()
    return b""


def pieces(*texts: bytes, end: Exception | None = None) -> Callable[[], Awaitable[bytes]]:
    remaining = iter(texts)

    async def read() -> bytes:
        piece = next(remaining, b"")
        if not piece and end:
            raise end
        return piece

    return read


def follow(
    read: Callable[[], Awaitable[bytes]],
    check_access: Callable[[], Awaitable[None]] = allow,
    max_seconds: float = 10,
    heartbeat_seconds: float = 10,
) -> list[bytes | None]:
    async def collect() -> list[bytes | None]:
        streams = Streams(max_seconds, heartbeat_seconds)
        async with asyncio.timeout(10):
            return [piece async for piece in streams.follow(read, check_access)]

    return asyncio.run(collect())


def test_stream_ends_where_its_source_ends() -> None:
    assert follow(pieces(b"a", b"b")) == [b"a", b"b"]


@pytest.mark.parametrize(
    "end",
    [UnreachableError(), ClientPayloadError(), ConnectionResetError(), ValueError()],
    ids=lambda error: type(error).__name__,
)
def test_stream_ends_where_its_source_breaks_off(end: Exception) -> None:
    """aiohttp has a ClientPayloadError for the end of the API server's process."""
    assert follow(pieces(b"a", end=end)) == [b"a"]


def test_silent_stream_sends_heartbeats_until_its_time_is_over() -> None:
    sent = follow(read_nothing, max_seconds=0.2, heartbeat_seconds=0.02)
    assert 1 <= len(sent) <= 10
    assert set(sent) == {None}


@pytest.mark.parametrize(
    "refusal",
    [ProblemError(403, "forbidden", "no"), UnreachableError("away")],
    ids=["refused", "undecided"],
)
def test_stream_ends_before_a_piece_that_is_no_longer_allowed(refusal: Exception) -> None:
    remaining = iter([True, True])

    async def check_access() -> None:
        if not next(remaining, False):
            raise refusal

    assert follow(pieces(b"a", b"b", b"c"), check_access) == [b"a", b"b"]
