"""uvicorn's HTTP protocol, with an end to waiting for a request and to the number of connections,
and errors in our own form.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from download_api.problems import ProblemError

REQUEST_SECONDS: Final = 20.0
"""From the first byte of a request, or from the connection's start, to the request's last byte."""

MAX_CONNECTIONS: Final = 1000
"""Beyond, those who come are told to come again; those who are there stay."""
CROWDED: Final = "crowded"
"""Member of the state of requests whose connection was one too many."""

_NO_HTTP: Final = "The request is not HTTP/1.1, or its head has more than 64 KiB."


class PunctualProtocol(H11Protocol):
    """Closes a connection whose request does not come to its end in time (slowloris).

    uvicorn itself only ends connections that are idle after an answer.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.app_state = {**self.app_state, CROWDED: True}
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on waiting until the request is complete."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._cancel()
        elif self._deadline is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's
        """Answer what is no HTTP as every other error, unless an answer has begun already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = ProblemError(400, "bad_request", _NO_HTTP, {"Connection": "close"}).response()
            events = (
                h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _cancel(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()
