"""A cache whose entries expire."""

import time
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from cachetools import TLRUCache

K = TypeVar("K")
V = TypeVar("V")

Clock = Callable[[], float]
"""Returns monotonic seconds."""
MAX_ENTRIES: Final = 10_000


class Entry(NamedTuple, Generic[V]):
    """A cached value."""

    value: V
    expires_at: float
    """Time on the cache's clock."""


def expiring_cache(clock: Clock = time.monotonic) -> TLRUCache[K, Entry[V]]:
    """Return a cache that drops expired entries, and the least recently used one when it is full.

    The caller chooses when an entry expires, so that its lifetime can start before the question
    to the API server was sent.
    """
    return TLRUCache(MAX_ENTRIES, ttu=lambda _, entry, __: entry.expires_at, timer=clock)
