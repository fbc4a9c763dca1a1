"""uvicorn's HTTP protocol with a deadline for requests and a limit of connections.

Its own errors have the form of all others.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from download_api.auth.capacity import CONNECTION
from download_api.problems.problem import ProblemError
from download_api.server.connections import ConnectionTable

REQUEST_SECONDS: Final = 20.0
"""Time for one request: from its first byte, or the start of the connection, to its last byte. For
callers who have not signed in, to the last byte of the response."""
CONNECTIONS: Final = "connections"
"""Member of the application's state: the table of its connections."""

_NOT_HTTP: Final = "The request is not HTTP/1.1, or its headers are larger than 64 KiB."


class LimitedHTTPProtocol(H11Protocol):
    """Closes a connection whose request is not complete in time (slowloris), or when there are too
    many.

    uvicorn itself only closes connections that are idle after a response.

    Attributes:
        address: address of the client.
        opened_at: when the connection was made.
        is_over_capacity: whether there was no room for it.
    """

    address: str = ""
    opened_at: float = 0.0
    is_over_capacity: bool = False

    _table: "ConnectionTable[LimitedHTTPProtocol]"
    _is_signed_in: bool = False
    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the head of a request never came."""
        return self.cycle is None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being handled, or its response sent."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        """Start the deadline of the first request, and close another connection if need be."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.opened_at = self.loop.time()
        self._table = self.app_state[CONNECTIONS]
        self.app_state = {**self.app_state, CONNECTION: self}
        if victim := self._table.add(self):
            victim.transport.abort()
        self.is_over_capacity = self._table.is_over_capacity
        self._start_deadline()

    def sign_in(self) -> None:
        """Keep the connection from being closed for others, and give its responses time."""
        self._is_signed_in = True
        self._table.sign_in(self)

    def data_received(self, data: bytes) -> None:
        """Start the deadline of a request with its first byte."""
        super().data_received(data)
        if self._deadline is None:
            self._start_deadline()

    def on_response_complete(self) -> None:
        """End the deadline, and start that of a request which came meanwhile (pipelining)."""
        self._cancel_deadline()
        super().on_response_complete()
        if self.is_busy:
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
        """Cancel the deadline and make room for others."""
        self._cancel_deadline()
        self._table.remove(self)
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._abort)

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        self._deadline = None
        is_complete = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if not (is_complete and self._is_signed_in) and not self.transport.is_closing():
            self.transport.abort()
