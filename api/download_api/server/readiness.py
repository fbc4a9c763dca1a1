"""Whether the cluster can be reached, asked at most once in two seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from download_kube.errors import ApiError, UnreachableError

ANSWER_SECONDS: Final = 2.0
"""How long an answer is used again, from the moment at which the question was asked."""


class Readiness:
    """Answers any number of probes with one question to the API server.

    Args:
        ping: asks the API server; raises ApiError or UnreachableError if it cannot be used.
        clock: monotonic seconds.
    """

    def __init__(
        self, ping: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ping = ping
        self._clock = clock
        self._question: asyncio.Task[str] | None = None
        self._asked_at = 0.0

    async def unready_reason(self) -> str:
        """Return why the API cannot serve requests; empty if it can."""
        if self._question is None or self._is_outdated(self._question):
            self._asked_at = self._clock()
            self._question = asyncio.create_task(self._ask())
        # A probe that gives up must not end the question for the others.
        return await asyncio.shield(self._question)

    def _is_outdated(self, question: "asyncio.Task[str]") -> bool:
        return question.done() and self._clock() - self._asked_at >= ANSWER_SECONDS

    async def _ask(self) -> str:
        try:
            await self._ping()
        except (ApiError, UnreachableError) as error:
            return f"the cluster does not respond as it should: {error}"
        return ""
