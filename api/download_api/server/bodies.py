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

    Args:
        receive: returns the next message of the request.
        places: for large bodies; one is held from when a body turns out to be large until the block
            ends.
    """
    received_bytes = 0
    async with AsyncExitStack() as place:

        async def receive_limited() -> Message:
            nonlocal received_bytes
            message = await receive()
            before = received_bytes
            received_bytes += len(message.get("body", b""))
            if received_bytes > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)  # the only exception that FastAPI lets through
            if before <= LARGE_BODY_BYTES < received_bytes:
                await place.enter_async_context(places)
            return message

        yield receive_limited
