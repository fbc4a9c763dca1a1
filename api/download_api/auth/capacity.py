"""The number of connections: how the server's protocol reports too many, and the problem for it."""

from typing import Final

from download_api.problems.problem import ProblemError

MAX_CONNECTIONS: Final = 1000
"""Requests on connections beyond this number are refused. The open connections stay."""
OVER_CAPACITY: Final = "over_capacity"
"""Member that the protocol adds to the state of requests on a connection beyond the limit."""


def too_many_connections() -> ProblemError:
    """Return the problem of a request on a connection beyond the limit."""
    return ProblemError(
        503,
        "too_many_connections",
        f"More than {MAX_CONNECTIONS} connections are open; try again in a few seconds.",
        {"Retry-After": "5", "Connection": "close"},
    )
