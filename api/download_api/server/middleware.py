"""Around every request: its id, its path, the size of its body, what is counted of it, and one line
of audit for each write.
"""

import json
import logging
import time
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from download_api import problems, tracing
from download_api.auth.guard import SAFE_METHODS
from download_api.auth.rate_limit import Standing
from download_api.problems import ProblemError
from download_api.server.request_metrics import Traffic

MAX_BODY_BYTES: Final = 1024 * 1024

log = logging.getLogger(__name__)
audit = logging.getLogger("download_api.audit")


_TOO_LARGE: Final = f"The body is larger than {MAX_BODY_BYTES} bytes: no schedule needs that many."


class Envelope:
    """Pure ASGI middleware; nothing of a request's headers, query or body goes into the log."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A redirect would name the Host that the request named, and plain http behind a proxy.
        scope["path"] = scope["path"].rstrip("/") or "/"
        headers = Headers(scope=scope)
        trace = tracing.trace_of(headers)
        token = tracing.current.set(trace)
        answer = _Answer(scope, send, trace, self._traffic)
        try:
            announced = headers.get("content-length", "")
            if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
                too_large = ProblemError(413, "body_too_large", _TOO_LARGE, {"Connection": "close"})
                await _told(scope, too_large)(scope, receive, answer)
            else:
                await self._app(scope, _bounded(receive), answer)
        except Exception:
            log.error("request %s met a fault of ours:", trace.request_id)
            if not answer.begun:
                await _told(scope, problems.fault())(scope, receive, answer)
            raise
        finally:
            tracing.current.reset(token)
            answer.end()
            if scope["method"] not in SAFE_METHODS:
                audit.info(json.dumps(answer.line()))


class _Answer:
    """Passes an answer on, with the fields that every answer has."""

    def __init__(self, scope: Scope, send: Send, trace: tracing.Trace, traffic: Traffic) -> None:
        self._scope = scope
        self._send = send
        self._trace = trace
        self._traffic = traffic
        self._started = time.monotonic()
        self._status = 0

    @property
    def begun(self) -> bool:
        """Whether its head was sent."""
        return bool(self._status)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._count()
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._trace.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Cache-Control"] = headers.get("Cache-Control", "no-store")
            standing: Standing | None = self._scope["state"].get("standing")
            for name, value in standing.headers().items() if standing else ():
                headers[name] = value
        await self._send(message)

    def end(self) -> None:
        """Take note that nothing more comes; without a head it was cut off by our own end."""
        if not self._status:
            self._status = 500
            self._count()

    def _count(self) -> None:
        seconds = time.monotonic() - self._started
        self._traffic.count(self._scope["method"], self._route(), self._status, seconds)
        if kind := self._scope["state"].get("error_type"):
            self._traffic.problems[kind] += 1

    def _route(self) -> str | None:
        return getattr(self._scope.get("route"), "path", None)

    def line(self) -> dict[str, Any]:
        """Return who did what, and what came of it."""
        access = self._scope["state"].get("access")
        return {
            "request_id": self._trace.request_id,
            "traceparent": self._trace.traceparent,
            "client": (self._scope.get("client") or ("",))[0],
            "caller": access.caller.user if access else None,
            "method": self._scope["method"],
            "route": self._route(),
            "schedule": self._scope.get("path_params", {}).get("schedule_id"),
            "status": self._status,
            "milliseconds": round(1000 * (time.monotonic() - self._started), 1),
        }


def _bounded(receive: Receive) -> Receive:
    """Return *receive* with an end, for bodies that do not say how long they are."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)  # FastAPI lets no other exception pass
        return message

    return bounded


def _told(scope: Scope, problem: ProblemError) -> Response:
    scope["state"]["error_type"] = problem.kind
    return problem.response()
