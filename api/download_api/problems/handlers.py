"""FastAPI's exception handlers: every failure becomes a problem response."""

from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from download_api.problems import cluster_errors, validation
from download_api.problems.problem import ProblemError, cluster_unavailable
from download_kube.errors import ApiError, UnreachableError

_HANDLED: Final = (
    ProblemError,
    RequestValidationError,
    HTTPException,
    ApiError,
    UnreachableError,
)


def install(app: FastAPI) -> None:
    """Make *app* answer every failure with a problem."""
    for exception in _HANDLED:
        app.add_exception_handler(exception, _respond)


async def _respond(request: Request, error: Exception) -> Response:
    problem = _to_problem(request, error)
    request.state.error_type = problem.error_type  # for the metrics
    return problem.response()


def _to_problem(request: Request, error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            return validation.invalid_request(error)
        case HTTPException():
            return _http_problem(request, error)
        case ApiError():
            return cluster_errors.to_problem(error)
    return cluster_unavailable()


def _http_problem(request: Request, error: HTTPException) -> ProblemError:
    """Return the problem for an exception that Starlette, FastAPI or our middleware raised."""
    match error.status_code:
        case 404:
            message = "There is no such route; GET /openapi.json lists them."
            return ProblemError(404, "not_found", message)
        case 405:
            methods = ", ".join(_methods(request))
            message = f"The route does not support this method; it supports {methods}."
            return ProblemError(405, "method_not_allowed", message, {"Allow": methods})
        case 413:
            return ProblemError(413, "body_too_large", error.detail)
    return validation.unreadable_body()  # FastAPI could not read the body


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes that match the request's path."""
    routes = iter_route_contexts(request.app.routes)
    allowed = [r.methods for r in routes if r.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for methods in allowed for method in methods or ()})
