"""uvicorn's HTTP protocol with a deadline for requests and a limit of connections.

Its own errors have the form of all others.
"""

import asyncio
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from download_api.auth.capacity import MAX_CONNECTIONS, OVER_CAPACITY
from download_api.problems.problem import ProblemError

REQUEST_SECONDS: Final = 20.0
"""Time for one request: from its first byte, or the start of the connection, to its last byte."""

_NOT_HTTP: Final = "The request is not HTTP/1.1, or its headers are larger than 64 KiB."


class DeadlineHTTPProtocol(H11Protocol):
    """Closes a connection whose request is not complete in time (slowloris).

    uvicorn itself only closes connections that are idle after a response.
    """

    max_connections: ClassVar[int] = MAX_CONNECTIONS

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the deadline of the first request, and mark connections beyond the limit."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self.app_state = {**self.app_state, OVER_CAPACITY: True}
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Keep the deadline until the request is complete."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._cancel_deadline()
        elif self._deadline is None:
            self._start_deadline()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Send a problem, unless a response has started already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            problem = ProblemError(400, "bad_request", _NOT_HTTP, {"Connection": "close"})
            response = problem.response()
            events = (
                h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request"),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._abort)

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()
