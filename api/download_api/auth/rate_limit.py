"""How many requests each caller may send: a token bucket per caller."""

import math
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

from cachetools import LRUCache

from download_api.auth.ttl_cache import MAX_ENTRIES, Clock
from download_api.problems.problem import ProblemError

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What is left of a caller's limit after a request."""

    allowed: bool
    limit: int
    """Requests a minute."""
    counted: str
    """What is limited, for the message."""
    remaining: int
    wait: float
    """If refused: seconds until the next request is allowed. If allowed: seconds until the whole
    limit is available again."""

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={math.ceil(self.wait)}',
        }

    def check(self) -> None:
        """Return only if the request is allowed.

        Raises:
            ProblemError: 429.
        """
        if not self.allowed:
            seconds = str(max(math.ceil(self.wait), 1))
            raise ProblemError(
                429,
                "rate_limit_exceeded",
                f"More than {self.limit} {self.counted} a minute; wait {seconds} seconds.",
                {"Retry-After": seconds, **self.headers()},
            )


class _Bucket(NamedTuple):
    filled_at: float
    tokens: float


class RateLimiter:
    """One token bucket for each caller.

    Args:
        limit: requests a minute. A caller who sent none for a minute may send all of them at once.
        counted: what is limited, for the message.
        clock: monotonic seconds.
        max_callers: number of buckets; the least recently used one is dropped.
    """

    def __init__(
        self,
        limit: int,
        counted: str = "requests",
        clock: Clock = time.monotonic,
        max_callers: int = MAX_ENTRIES,
    ) -> None:
        self._limit = limit
        self._counted = counted
        self._clock = clock
        self._buckets: LRUCache[str, _Bucket] = LRUCache(max_callers)

    def consume(self, caller: str) -> RateLimitState:
        """Count a request of *caller* and return the new state."""
        tokens = self._tokens(caller)
        allowed = tokens >= 1
        if allowed:
            tokens -= 1
        self._buckets[caller] = _Bucket(self._clock(), tokens)
        return self._state(tokens, allowed=allowed)

    def restore(self, caller: str) -> None:
        """Take back one request of *caller* that was counted."""
        tokens = min(self._tokens(caller) + 1, self._limit)
        self._buckets[caller] = _Bucket(self._clock(), tokens)

    def _tokens(self, caller: str) -> float:
        now = self._clock()
        bucket = self._buckets.get(caller, _Bucket(now, float(self._limit)))
        refill = (now - bucket.filled_at) * self._limit / WINDOW_SECONDS
        return min(bucket.tokens + refill, self._limit)

    def _state(self, tokens: float, *, allowed: bool) -> RateLimitState:
        missing = self._limit - tokens if allowed else 1 - tokens
        wait = missing * WINDOW_SECONDS / self._limit
        return RateLimitState(allowed, self._limit, self._counted, int(tokens), wait)
