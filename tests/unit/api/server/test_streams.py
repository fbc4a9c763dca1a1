"""When a stream ends, and what it says while nothing comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientPayloadError

from download_api.problems import ProblemError
from download_api.server import streams
from download_api.server.streams import Streams
from download_kube.client import UnreachableError


async def _may() -> None:
    """He may."""


async def _nothing() -> bytes:
    await asyncio.Event().wait()
    return b""


def pieces(*texts: bytes) -> Callable[[], Awaitable[bytes]]:
    left = iter(texts)

    async def read() -> bytes:
        return next(left, b"")

    return read


def told(
    read: Callable[[], Awaitable[bytes]], insist: Callable[[], Awaitable[None]] = _may
) -> list[bytes | None]:
    async def listen() -> list[bytes | None]:
        async with asyncio.timeout(10):
            return [piece async for piece in Streams().follow(read, insist)]

    return asyncio.run(listen())


def test_it_ends_where_its_source_does() -> None:
    assert told(pieces(b"a", b"b")) == [b"a", b"b"]


@pytest.mark.parametrize(
    "end", [UnreachableError(), ClientPayloadError(), ConnectionResetError(), ValueError()]
)
def test_a_source_that_breaks_off_ends_it(end: Exception) -> None:
    """The API server's end, as aiohttp puts it, too."""
    left = iter([b"a"])

    async def read() -> bytes:
        try:
            return next(left)
        except StopIteration:
            raise end from None

    assert told(read) == [b"a"]


def test_while_nothing_comes_it_beats_and_ends_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(streams, "MAX_SECONDS", 0.2)
    beats = told(_nothing)
    assert 1 <= len(beats) <= 10
    assert set(beats) == {None}


@pytest.mark.parametrize("doubt", [ProblemError(403, "forbidden", "no"), UnreachableError("away")])
def test_a_right_that_is_gone_or_in_doubt_ends_it(doubt: Exception) -> None:
    left = iter([True, True])

    async def insist() -> None:
        if not next(left, False):
            raise doubt

    assert told(pieces(b"a", b"b", b"c"), insist) == [b"a", b"b"]
