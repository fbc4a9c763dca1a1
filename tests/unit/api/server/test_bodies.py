"""Limits of requests' bodies."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from download_api.server.bodies import LARGE_BODY_BYTES, MAX_BODY_BYTES, limited_body

DISCONNECT = {"type": "http.disconnect"}


def receiving(*sizes: int, is_complete: bool = True) -> "asyncio.Queue[Message]":
    """Return a queue with pieces of a body of these sizes, and with the caller's leave."""
    queue: asyncio.Queue[Message] = asyncio.Queue()
    for number, size in enumerate(sizes, 1):
        more = number < len(sizes) or not is_complete
        queue.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})
    queue.put_nowait(DISCONNECT)
    return queue


def test_body_comes_in_one_piece() -> None:
    async def read() -> None:
        queue = receiving(MAX_BODY_BYTES - 2, 1, 1)
        async with limited_body(queue.get, asyncio.Semaphore()) as receive:
            message = await receive()
            assert len(message["body"]) == MAX_BODY_BYTES
            assert not message["more_body"]
            assert await receive() == DISCONNECT

    asyncio.run(read())


def test_body_without_a_length_is_refused_beyond_the_limit() -> None:
    async def read() -> None:
        queue = receiving(MAX_BODY_BYTES - 1, 1, 1)
        async with limited_body(queue.get, asyncio.Semaphore()) as receive:
            with pytest.raises(HTTPException):
                await receive()

    asyncio.run(read())


def test_body_that_does_not_come_to_its_end_is_the_end_of_the_request() -> None:
    async def read() -> None:
        async with limited_body(
            receiving(1, is_complete=False).get, asyncio.Semaphore()
        ) as receive:
            assert await receive() == DISCONNECT

    asyncio.run(read())


def test_large_body_waits_until_another_request_has_ended() -> None:
    async def read() -> None:
        places = asyncio.Semaphore(1)
        large, other = (receiving(LARGE_BODY_BYTES + 1) for _ in range(2))
        small = receiving(LARGE_BODY_BYTES)
        async with (
            limited_body(other.get, places) as receive_other,
            limited_body(small.get, places) as receive_small,
        ):
            async with limited_body(large.get, places) as receive_large:
                await receive_large()
                waiting = asyncio.ensure_future(receive_other())
                await receive_small()
                await asyncio.sleep(0)
                assert not waiting.done()
            await waiting

    asyncio.run(read())
