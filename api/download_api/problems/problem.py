"""The exception behind every error response, and the words for its kind."""

from typing import Any, Final, Literal

from fastapi.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"

ErrorType = Literal[
    "bad_request",
    "body_too_large",
    "cluster_unavailable",
    "conflict",
    "content_gone",
    "content_not_found",
    "execution_not_found",
    "forbidden",
    "idempotency_key_reused",
    "internal_error",
    "invalid_cron_expression",
    "log_not_found",
    "method_not_allowed",
    "not_found",
    "precondition_failed",
    "range_not_satisfiable",
    "rate_limit_exceeded",
    "run_active",
    "schedule_not_found",
    "too_many_connections",
    "too_many_streams",
    "unauthorized",
    "validation_error",
]
"""One word for programs, as in the seed API."""


class ProblemError(Exception):
    """The request failed, and the caller is told why.

    Args:
        status: HTTP status code.
        error_type: kind of problem.
        message: what is wrong and what to do. It must not contain secrets of the request.
        headers: additional headers of the response.
    """

    def __init__(
        self,
        status: int,
        error_type: ErrorType,
        message: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """Return the problem as an HTTP response."""
        body = problem_body(self.status, self.error_type, str(self))
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


def problem_body(status: int, error_type: ErrorType, message: str) -> dict[str, Any]:
    """Return the JSON of a problem response."""
    return {
        "type": "about:blank",
        "title": message,
        "status": status,
        "detail": {"success": False, "error": message, "error_type": error_type},
    }


def schedule_not_found() -> ProblemError:
    """Return the problem of a schedule that does not exist, or that the caller may not get."""
    message = "There is no schedule with that id; GET /schedules lists them."
    return ProblemError(404, "schedule_not_found", message)


def cluster_unavailable(
    message: str = "The cluster does not respond; try again in a few seconds.",
) -> ProblemError:
    """Return the problem of a cluster that cannot be used at the moment."""
    return ProblemError(503, "cluster_unavailable", message, {"Retry-After": "5"})


def internal_error() -> ProblemError:
    """Return the problem of an error in our own code."""
    message = "The API has failed: its log says why, next to the X-Request-ID of this response."
    return ProblemError(500, "internal_error", message)
