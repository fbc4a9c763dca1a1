"""Limits of requests' bodies."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from download_api.server.bodies import LARGE_BODY_BYTES, MAX_BODY_BYTES, limited_body


def receiving(*sizes: int) -> "asyncio.Queue[Message]":
    """Return a queue with pieces of a body of these sizes."""
    queue: asyncio.Queue[Message] = asyncio.Queue()
    for size in sizes:
        queue.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": True})
    return queue


def test_body_without_a_length_is_cut_at_the_limit() -> None:
    async def read() -> None:
        queue = receiving(MAX_BODY_BYTES - 1, 1, 1)
        async with limited_body(queue.get, asyncio.Semaphore()) as receive:
            await receive()
            await receive()
            with pytest.raises(HTTPException):
                await receive()

    asyncio.run(read())


def test_large_body_waits_until_another_request_has_ended() -> None:
    async def read() -> None:
        places = asyncio.Semaphore(1)
        large, other, small = (
            receiving(LARGE_BODY_BYTES, 1),
            receiving(LARGE_BODY_BYTES + 1),
            receiving(LARGE_BODY_BYTES),
        )
        async with (
            limited_body(other.get, places) as receive_other,
            limited_body(small.get, places) as receive_small,
        ):
            async with limited_body(large.get, places) as receive_large:
                await receive_large()
                assert not places.locked()
                await receive_large()
                waiting = asyncio.ensure_future(receive_other())
                await receive_small()
                await asyncio.sleep(0)
                assert not waiting.done()
            await waiting

    asyncio.run(read())
