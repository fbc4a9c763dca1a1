"""Around every request: its id, path, size of its body and metrics, and an audit line for changes
and for whoever reads files, logs or events.
"""

import asyncio
import json
import logging
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from download_api.auth.access import Access
from download_api.auth.guard import SAFE_METHODS, GuardedRoute
from download_api.auth.rate_limit import RateLimitState
from download_api.problems.problem import ProblemError, internal_error
from download_api.server.bodies import LARGE_BODIES, MAX_BODY_BYTES, TOO_LARGE, limited_body
from download_api.server.request_metrics import RequestMetrics
from download_api.tracing import Trace, parse_trace

log = logging.getLogger(__name__)
audit = logging.getLogger("download_api.audit")


class RequestMiddleware:
    """Pure ASGI middleware.

    Logs nothing of a request's headers, query or body, because they may contain secrets.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._large_bodies = asyncio.Semaphore(LARGE_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Starlette would redirect instead, to whatever Host the request names, and over plain http
        # behind a proxy with TLS.
        scope["path"] = scope["path"].rstrip("/") or "/"
        headers = Headers(scope=scope)
        trace = scope["state"]["trace"] = parse_trace(headers)
        response = ResponseWrapper(scope, send, trace, self._metrics)
        try:
            content_length = headers.get("content-length", "")
            if content_length.isdigit() and int(content_length) > MAX_BODY_BYTES:
                problem = ProblemError(413, "body_too_large", TOO_LARGE, {"Connection": "close"})
                await _to_response(scope, problem)(scope, receive, response)
            else:
                async with limited_body(receive, self._large_bodies) as limited:
                    await self._app(scope, limited, response)
        except Exception:
            log.error("internal error while handling request %s:", trace.request_id)
            if not response.has_started:
                await _to_response(scope, internal_error())(scope, receive, response)
            raise
        finally:
            response.end()
            if _is_audited(scope):
                audit.info(json.dumps(response.audit_record()))


class ResponseWrapper:
    """Sends a response with the headers that every response has, and counts it.

    Args:
        scope: of the request.
        send: sends the response's messages to the server.
        trace: of the request.
        metrics: where to count the request.
    """

    def __init__(self, scope: Scope, send: Send, trace: Trace, metrics: RequestMetrics) -> None:
        self._scope = scope
        self._send = send
        self._trace = trace
        self._metrics = metrics
        self._started_at = time.monotonic()
        self._status = 0

    @property
    def has_started(self) -> bool:
        """Whether the response's headers were sent."""
        return bool(self._status)

    async def __call__(self, message: Message) -> None:
        """Send one message of the response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._count()
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._trace.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            rate_limit: RateLimitState | None = self._scope["state"].get("rate_limit")
            if rate_limit:
                headers.update(rate_limit.headers())
        await self._send(message)

    def end(self) -> None:
        """Count a request that ends without a response, because the process is stopping."""
        if not self._status:
            self._status = 500
            self._count()

    def audit_record(self) -> dict[str, Any]:
        """Return who did what, and the outcome."""
        access: Access | None = self._scope["state"].get("access")
        return {
            "request_id": self._trace.request_id,
            "traceparent": self._trace.traceparent,
            "client": (self._scope.get("client") or ("",))[0],
            "caller": access.caller.user if access else None,
            "method": self._scope["method"],
            "route": self._route(),
            "schedule": self._scope.get("path_params", {}).get("schedule_id"),
            "execution": self._scope.get("path_params", {}).get("execution_id"),
            "status": self._status,
            "milliseconds": round(1000 * (time.monotonic() - self._started_at), 1),
        }

    def _count(self) -> None:
        seconds = time.monotonic() - self._started_at
        self._metrics.count_request(self._scope["method"], self._route(), self._status, seconds)
        if error_type := self._scope["state"].get("error_type"):
            self._metrics.count_problem(error_type)

    def _route(self) -> str | None:
        return getattr(self._scope.get("route"), "path", None)


def _is_audited(scope: Scope) -> bool:
    route = scope.get("route")
    reads_much = isinstance(route, GuardedRoute) and route.required_permission.is_audited
    return scope["method"] not in SAFE_METHODS or reads_much


def _to_response(scope: Scope, problem: ProblemError) -> Response:
    scope["state"]["error_type"] = problem.error_type
    return problem.response()
