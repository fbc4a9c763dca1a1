"""A keyed work queue: many workers, never two on one key, and every failure is tried again."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

log = logging.getLogger(__name__)

MIN_RETRY_SECONDS: Final = 0.25
MAX_RETRY_SECONDS: Final = 60.0

K = TypeVar("K", bound=Hashable)


def retry_delay(failures: int, random_share: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after the *failures*-th failure in a row (1 or more).

    The delay doubles from 0.25 s to a minute. A random quarter of it spreads keys that failed
    together.
    """
    longest = min(MIN_RETRY_SECONDS * 2.0 ** (min(failures, 32) - 1), MAX_RETRY_SECONDS)
    return longest * (0.75 + 0.25 * random_share())


class WorkQueue(Generic[K]):
    """Keys that wait for work.

    A key that is added several times before its turn is worked on once. A key that is added during
    its turn gets another turn. A key that fails waits for its retry, while the others go on.

    Args:
        handle: does the work for one key; returns the seconds after which to look at it again, or
            None.
        expected_errors: failures that are logged without a traceback.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[float | None]],
        expected_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self.succeeded = 0
        """Turns that succeeded, since the start."""
        self.failed = 0
        """Turns that failed, since the start."""
        self._handle = handle
        self._expected_errors = expected_errors
        self._waiting: dict[K, None] = {}
        self._added_during_turn: set[K] = set()
        self._started: dict[K, float] = {}
        """Keys that are being worked on, and since which monotonic time."""
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._idle_workers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Give *key* a turn as soon as a worker is free."""
        self._cancel_timer(key)
        if key in self._started:
            self._added_during_turn.add(key)
        elif key not in self._waiting:
            self._waiting[key] = None
            self._wake_worker()

    def add_after(self, key: K, seconds: float) -> None:
        """Give *key* a turn in *seconds*, unless it gets one earlier."""
        self._cancel_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(max(seconds, 0.0), self.add, key)

    def forget(self, key: K) -> None:
        """Drop the timer and the failures of a key that does not exist anymore."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    def oldest_turn_seconds(self) -> float:
        """Return how long the oldest current turn has lasted; 0 if there is none."""
        now = time.monotonic()
        return now - min(self._started.values(), default=now)

    async def work(self) -> None:
        """Be one worker, until cancelled."""
        while True:
            key = await self._next_key()
            self._started[key] = time.monotonic()
            try:
                delay = await self._take_turn(key)
            finally:
                del self._started[key]
            if key in self._added_during_turn:
                self._added_during_turn.discard(key)
                if key not in self._failures:
                    self.add(key)
                    continue
            if delay is not None and key not in self._waiting:
                self.add_after(key, delay)

    async def _take_turn(self, key: K) -> float | None:
        try:
            delay = await self._handle(key)
        except Exception as error:
            self.failed += 1
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = retry_delay(failures)
            is_expected = isinstance(error, self._expected_errors)
            log.warning(
                "%s failed, trying again in %.1f s: %s",
                key,
                delay,
                error or type(error).__name__,
                exc_info=None if is_expected else error,
            )
            return delay
        self.succeeded += 1
        self._failures.pop(key, None)
        return delay

    async def _next_key(self) -> K:
        while not self._waiting:
            wake_up = asyncio.get_running_loop().create_future()
            self._idle_workers.append(wake_up)
            await wake_up
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key

    def _wake_worker(self) -> None:
        while self._idle_workers:
            wake_up = self._idle_workers.popleft()
            if not wake_up.done():
                wake_up.set_result(None)
                return

    def _cancel_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
