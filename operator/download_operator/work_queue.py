"""A keyed work queue: many workers, never two on one key, every failure tried again later."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 0.25
LAST_RETRY: Final = 60.0

K = TypeVar("K", bound=Hashable)


def retry_delay(failures: int, dice: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after the *failures*-th failure in a row (1 or more).

    Doubles from 0.25 s to a minute; a random quarter of it spreads keys that failed together.
    """
    longest = min(FIRST_RETRY * 2.0 ** (min(failures, 32) - 1), LAST_RETRY)
    return longest * (0.75 + 0.25 * dice())


class WorkQueue(Generic[K]):
    """Keys waiting for work.

    A key added while it waits is one key; added while it is worked on, it is worked on again
    afterwards. One that fails waits alone: the others pass it by.

    Args:
        handle: does the work of one key; returns the seconds after which to look at it again at
            the latest, or None.
        foreseen: failures that need no traceback in the log.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[float | None]],
        foreseen: tuple[type[Exception], ...] = (),
    ) -> None:
        self.succeeded = 0
        self.failed = 0
        """Pieces of work since the start, by how they ended."""
        self._handle = handle
        self._foreseen = foreseen
        self._waiting: dict[K, None] = {}
        self._again: set[K] = set()
        self._busy: dict[K, float] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._idle: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Have *key* worked on as soon as a worker is free."""
        self._cancel_timer(key)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = None
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Have *key* worked on in *seconds*, unless something has it worked on before."""
        self._cancel_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(max(seconds, 0.0), self.add, key)

    def forget(self, key: K) -> None:
        """Drop what is known about *key*, which does not exist any more."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    def stuck_seconds(self) -> float:
        """Return for how long the oldest piece of work under way has been going on."""
        now = time.monotonic()
        return now - min(self._busy.values(), default=now)

    async def work(self) -> None:
        """Be one worker, until cancelled."""
        while True:
            key = await self._next()
            self._busy[key] = time.monotonic()
            try:
                delay = await self._attempt(key)
            finally:
                del self._busy[key]
            if key in self._again:
                self._again.discard(key)
                if key not in self._failures:
                    self.add(key)
                    continue
            if delay is not None and key not in self._waiting:
                self.add_after(key, delay)

    async def _attempt(self, key: K) -> float | None:
        try:
            delay = await self._handle(key)
        except Exception as error:
            self.failed += 1
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = retry_delay(failures)
            unforeseen = not isinstance(error, self._foreseen)
            log.warning(
                "%s failed, next attempt in %.1f s: %s",
                key,
                delay,
                error or type(error).__name__,
                exc_info=error if unforeseen else None,
            )
            return delay
        self.succeeded += 1
        self._failures.pop(key, None)
        return delay

    async def _next(self) -> K:
        while not self._waiting:
            sleeper = asyncio.get_running_loop().create_future()
            self._idle.append(sleeper)
            await sleeper
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key

    def _wake(self) -> None:
        while self._idle:
            sleeper = self._idle.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def _cancel_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
