"""Bodies of requests: how large each may be, and how many large ones are in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

MAX_BODY_BYTES: Final = 1024 * 1024
LARGE_BODY_BYTES: Final = 64 * 1024
"""Length of a body beyond which it needs one of few places; usual schedules have a few hundred
bytes."""
LARGE_BODIES: Final = 16
"""Large bodies in memory at the same time. Each has 20 seconds to arrive, and others wait."""
TOO_LARGE: Final = f"The body is larger than {MAX_BODY_BYTES} bytes; no schedule needs that much."


@asynccontextmanager
async def limited_body(receive: Receive, places: asyncio.Semaphore) -> AsyncIterator[Receive]:
    """Yield *receive* with the limits, also for bodies that do not say how long they are.

    It returns the body in one piece. Of a body that does not come to its end nothing stays: the
    exception about it would keep the pieces until the garbage collector finds it.

    Args:
        receive: returns the next message of the request.
        places: for large bodies; one is held from when a body turns out to be large until the block
            ends.
    """
    pieces: list[bytes] = []
    received_bytes = 0
    is_over = False
    async with AsyncExitStack() as place:

        async def receive_whole_body() -> Message:
            nonlocal received_bytes, is_over
            while not is_over:
                message = await receive()
                if message["type"] != "http.request":  # the caller has left
                    is_over = True
                    pieces.clear()
                    return message
                before = received_bytes
                pieces.append(message.get("body", b""))
                received_bytes += len(pieces[-1])
                if received_bytes > MAX_BODY_BYTES:
                    pieces.clear()
                    raise HTTPException(413, TOO_LARGE)  # FastAPI lets no other exception through
                if before <= LARGE_BODY_BYTES < received_bytes:
                    await place.enter_async_context(places)
                if not message.get("more_body", False):
                    is_over = True
                    body = b"".join(pieces)
                    pieces.clear()
                    return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        yield receive_whole_body
