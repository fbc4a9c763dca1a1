"""Errors as callers see them: RFC 9457 problem details that also hold the seed API's ``detail``."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from download_api.cluster import ClusterError, UnreachableError
from download_api.spelling import snake_case

_KINDS: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class ProblemError(Exception):
    """An answer other than the one asked for.

    Args:
        status: HTTP status code.
        kind: snake_case word, the seed's ``error_type``.
        sentence: what is wrong and what to do; nothing of the request's secrets.
        headers: to send with it.
    """

    def __init__(
        self, status: int, kind: str, sentence: str, headers: dict[str, str] | None = None
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
        return answered(request, ProblemError(422, "validation_error", _sentences(error)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        kind = _KINDS.get(error.status_code, "error")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(request))
        return answered(request, ProblemError(error.status_code, kind, str(error.detail), headers))

    @app.exception_handler(UnreachableError)
    async def _unreachable(request: Request, _: UnreachableError) -> JSONResponse:
        return answered(request, _try_later())

    @app.exception_handler(ClusterError)
    async def _refused(request: Request, error: ClusterError) -> JSONResponse:
        return answered(request, of_cluster(error))


def _methods(request: Request) -> list[str]:
    """Return what the path allows, of all of its routes."""
    routes = iter_route_contexts(request.app.routes)
    found = (r.methods for r in routes if r.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for methods in found for method in methods or ()})


def of_cluster(error: ClusterError) -> ProblemError:
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


def _try_later() -> ProblemError:
    sentence = "The cluster does not answer at the moment; try again in a few seconds."
    return ProblemError(503, "cluster_unavailable", sentence, {"Retry-After": "5"})


def _sentences(error: RequestValidationError) -> str:
    """Name each field and what is wrong with it, but not its value: it could be a secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in found['loc'])}: {snake_case(found['msg'])}"
        for found in error.errors()
    )
