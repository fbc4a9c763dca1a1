"""Errors as callers see them: RFC 9457 problem details that also hold the seed API's ``detail``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from download_api.casing import snake_case
from download_kube.client import ApiError, UnreachableError

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
"""One word for programs, as in the seed."""

_KINDS: Final[dict[int, ErrorType]] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}

_PLAINLY: Final = {
    "not_found": "There is no such route; GET /openapi.json lists them.",
    "method_not_allowed": "The route does not take this method; the header Allow says which.",
    "extra_forbidden": "there is no such member; leave it out",
    "dict_type": "write an object",
    "model_type": "write an object",
    "model_attributes_type": "write an object",
    "tuple_type": "write an array",
}
"""In place of what the libraries say, by our kind or their type of it."""

MAX_TOLD: Final = 10
MAX_NAME: Final = 100
MAX_SENTENCE: Final = 500
_NO_JSON: Final = "body: it cannot be read; send JSON in UTF-8"
_NO_TYPE: Final = "body: it is read as JSON only with the header Content-Type: application/json"


class ProblemError(Exception):
    """An answer other than the one asked for.

    Args:
        status: HTTP status code.
        kind: what sort of problem it is.
        sentence: what is wrong and what to do; nothing of the request's secrets.
        headers: to send with it.
    """

    def __init__(
        self, status: int, kind: ErrorType, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """Return the answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": str(self),
            "status": self.status,
            "detail": {"success": False, "error": str(self), "error_type": self.kind},
        }
        return JSONResponse(body, self.status, self.headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Have every failure answered in this one form."""

    def answered(request: Request, problem: ProblemError) -> JSONResponse:
        request.state.error_type = problem.kind
        return problem.response()

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> JSONResponse:
        return answered(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answered(request, ProblemError(422, "validation_error", _of_request(error)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code not in _KINDS:  # FastAPI could not read the body at all
            return answered(request, ProblemError(422, "validation_error", _NO_JSON))
        kind = _KINDS[error.status_code]
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(request))
        sentence = _PLAINLY.get(kind, str(error.detail))
        return answered(request, ProblemError(error.status_code, kind, sentence, headers))

    @app.exception_handler(UnreachableError)
    async def _unreachable(request: Request, _: UnreachableError) -> JSONResponse:
        return answered(request, _try_later())

    @app.exception_handler(ApiError)
    async def _refused(request: Request, error: ApiError) -> JSONResponse:
        return answered(request, of_cluster(error))


def _methods(request: Request) -> list[str]:
    """Return what the path allows, of all of its routes."""
    routes = iter_route_contexts(request.app.routes)
    found = (r.methods for r in routes if r.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for methods in found for method in methods or ()})


def of_cluster(error: ApiError) -> ProblemError:
    """Return what a refusal of the API server means to the caller."""
    match error.status:
        case 403:
            return ProblemError(403, "forbidden", str(error))
        case 404:
            return ProblemError(404, "not_found", str(error))
        case 409:
            return ProblemError(409, "conflict", str(error), {"Retry-After": "1"})
        case 400 | 422:
            return ProblemError(422, "validation_error", str(error))
    return _try_later()


def no_schedule() -> ProblemError:
    """Return the answer for a schedule that is not there, or that the caller may not get."""
    return ProblemError(
        404, "schedule_not_found", "There is no schedule of that id; GET /schedules lists them."
    )


def fault() -> ProblemError:
    """Return the answer for an error of ours."""
    sentence = "This is a fault of the API: see its log for the X-Request-ID of this answer."
    return ProblemError(500, "internal_error", sentence)


def _try_later() -> ProblemError:
    sentence = "The cluster does not answer at the moment; try again in a few seconds."
    return ProblemError(503, "cluster_unavailable", sentence, {"Retry-After": "5"})


def sentences(
    errors: Sequence[Mapping[str, Any]], where: Callable[[tuple[int | str, ...]], str]
) -> str:
    """Name each field and what is wrong with it, but not its value: it could be a secret.

    A name can be of any length, and there can be any number of them: some will do.
    """
    told = [
        f"{_shorter(where(found['loc']), MAX_NAME)}: {_shorter(_said(found), MAX_SENTENCE)}"
        for found in errors[:MAX_TOLD]
    ]
    if len(errors) > MAX_TOLD:
        told.append(f"and {len(errors) - MAX_TOLD} more")
    return "; ".join(told)


def _of_request(error: RequestValidationError) -> str:
    errors = error.errors()
    if isinstance(error.body, bytes):
        return _NO_TYPE
    if any(found["type"] == "json_invalid" for found in errors):
        return _NO_JSON
    return sentences(errors, as_sent)


def as_sent(location: tuple[int | str, ...]) -> str:
    """Return where a member is, spelled as whoever sent it did."""
    return ".".join(map(str, location)) or "body"


def _said(found: Mapping[str, Any]) -> str:
    if plain := _PLAINLY.get(found["type"]):
        return plain
    said = found["msg"].removeprefix("Value error, ")
    return snake_case(said).replace("request.headers", "headers or secret_headers")


def _shorter(text: str, length: int) -> str:
    """Return *text* of at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
