"""Answers that are kept for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Clock = Callable[[], float]
"""Seconds that only grow."""
MAX_ENTRIES: Final = 10_000


class Expiring(Generic[K, V]):
    """At most *size* values, each until its time; the one not asked for longest goes first."""

    def __init__(self, clock: Clock = time.monotonic, size: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._size = size
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the value, or None if there is none any more."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, value = entry
        if self._clock() >= until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, until: float) -> None:
        """Keep *value* for *key* until the clock says *until*."""
        self._entries[key] = until, value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget the value of *key*, if there is one."""
        self._entries.pop(key, None)
