"""What the guard and the server's protocol know of each other: whether there is room for another
connection, and who of those on it has signed in.
"""

from typing import Final, Protocol

from download_api.problems.problem import ProblemError

MAX_CONNECTIONS: Final = 1000
"""Connections at a time. Beyond it, one whose caller has not signed in is closed for a new one."""
CONNECTION: Final = "connection"
"""Member of a request's state: the :class:`Connection` on which it came."""


class Connection(Protocol):
    """The connection of a request."""

    @property
    def is_over_capacity(self) -> bool:
        """Whether there was no room for it: all other connections' callers have signed in."""

    def sign_in(self) -> None:
        """Remember that a caller on this connection has a right key or token."""


def too_many_connections() -> ProblemError:
    """Return the problem of a request on a connection beyond the limit."""
    return ProblemError(
        503,
        "too_many_connections",
        f"More than {MAX_CONNECTIONS} connections are open; try again in a few seconds.",
        {"Retry-After": "5", "Connection": "close"},
    )
