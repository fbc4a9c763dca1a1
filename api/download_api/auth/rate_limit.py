"""How many requests each caller may send: a bucket of tokens that fills up again."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from download_api.auth.ttl_cache import MAX_ENTRIES, Clock
from download_api.problems import ProblemError

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a request."""

    allowed: bool
    limit: int
    """Requests a minute."""
    remaining: int
    wait: float
    """Seconds until the next request is allowed (0: now), or until all of them are again."""

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={math.ceil(self.wait)}',
        }

    def check(self) -> None:
        """Let the request pass.

        Raises:
            ProblemError: 429.
        """
        if not self.allowed:
            wait = str(max(math.ceil(self.wait), 1))
            raise ProblemError(
                429,
                "rate_limit_exceeded",
                f"More than {self.limit} requests a minute: wait {wait} seconds.",
                {"Retry-After": wait, **self.headers()},
            )


class Rates:
    """One bucket for each caller; of the most recent 10,000.

    Args:
        limit: requests a minute; a caller who was quiet may send that many at once.
        clock: seconds that only grow.
    """

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def look(self, caller: str) -> Standing:
        """Return where *caller* stands, without counting anything."""
        return self._standing(self._tokens(caller), allowed=self._tokens(caller) >= 1)

    def take(self, caller: str) -> Standing:
        """Count a request of *caller*."""
        tokens = self._tokens(caller)
        allowed = tokens >= 1
        tokens -= allowed
        self._buckets[caller] = self._clock(), tokens
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_ENTRIES:
            self._buckets.popitem(last=False)
        return self._standing(tokens, allowed=allowed)

    def _tokens(self, caller: str) -> float:
        now = self._clock()
        since, tokens = self._buckets.get(caller, (now, float(self._limit)))
        return min(tokens + (now - since) * self._limit / WINDOW_SECONDS, self._limit)

    def _standing(self, tokens: float, *, allowed: bool) -> Standing:
        missing = self._limit - tokens if allowed else 1 - tokens
        wait = missing * WINDOW_SECONDS / self._limit
        return Standing(allowed, self._limit, int(tokens), wait)
