"""Which connection is closed when there are too many. Pure, with an injected clock.

Whoever has not signed in is a stranger. Strangers may only have so many idle connections from one
address, and they make room for newcomers when the whole server is full.
"""

import time
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Final, Generic, Protocol, TypeVar

from download_api.auth.capacity import MAX_CONNECTIONS

MAX_IDLE_PER_ADDRESS: Final = 100
"""Idle connections of strangers from one address. One more closes the oldest of them."""
GRACE_SECONDS: Final = 1.0
"""Time in which an honest client sends its first request. Connections that are younger are not
closed before older ones."""


class Candidate(Protocol):
    """A connection that may be closed."""

    @property
    def address(self) -> str:
        """Address of the client."""

    @property
    def opened_at(self) -> float:
        """Time on the table's clock."""

    @property
    def is_silent(self) -> bool:
        """Whether no request ever came."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is being handled, or its response sent."""


C = TypeVar("C", bound=Candidate)


class ConnectionTable(Generic[C]):
    """All open connections, and those of strangers in the order in which they were opened.

    Args:
        max_connections: of all addresses.
        max_idle: of strangers from one address.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        max_connections: int = MAX_CONNECTIONS,
        max_idle: int = MAX_IDLE_PER_ADDRESS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._clock = clock
        self._open: set[C] = set()
        self._strangers: dict[C, None] = {}
        self._by_address: dict[str, dict[C, None]] = {}
        """The strangers by their address."""

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._open)

    def connections(self) -> tuple[C, ...]:
        """Return all open connections."""
        return tuple(self._open)

    @property
    def is_over_capacity(self) -> bool:
        """Whether more connections are open than there is room for."""
        return len(self._open) > self._max_connections

    def add(self, connection: C) -> C | None:
        """Add a stranger's connection; return another one that has to be closed for it.

        The connection that is returned is no longer in the table.
        """
        neighbours = self._by_address.setdefault(connection.address, {})
        victim = self._idle_victim(neighbours)
        self._open.add(connection)
        self._strangers[connection] = None
        neighbours[connection] = None
        if victim is None and self.is_over_capacity:
            victim = self._oldest_victim(connection)
        if victim is not None:
            self.remove(victim)
        return victim

    def sign_in(self, connection: C) -> None:
        """Keep a connection from being closed for others."""
        self._strangers.pop(connection, None)
        neighbours = self._by_address.get(connection.address, {})
        neighbours.pop(connection, None)
        if not neighbours:
            self._by_address.pop(connection.address, None)

    def remove(self, connection: C) -> None:
        """Remove a connection that was closed. It may have been removed before."""
        self._open.discard(connection)
        self.sign_in(connection)

    def _idle_victim(self, neighbours: Iterable[C]) -> C | None:
        """Return the one to close if an address has no room for another idle connection."""
        idle = [connection for connection in neighbours if not connection.is_busy]
        if len(idle) < self._max_idle:
            return None
        return next((connection for connection in idle if connection.is_silent), idle[0])

    def _oldest_victim(self, newcomer: C) -> C | None:
        """Return the oldest stranger that never sent a request in time, or else the oldest of the
        address that has most of them.
        """
        before = self._clock() - GRACE_SECONDS
        old = takewhile(lambda connection: connection.opened_at <= before, self._strangers)
        silent = next((connection for connection in old if connection.is_silent), None)
        most = max(self._by_address, key=lambda address: len(self._by_address[address]))
        victim = silent or next(iter(self._by_address[most]))
        return None if victim is newcomer else victim
