"""The responses that routes declare for the OpenAPI document.

Every function takes the statuses of the problems that the route may respond with, and returns them
with its success, in the form of FastAPI's parameter ``responses``.
"""

from collections.abc import Iterable
from typing import Any, Final

from download_api.openapi.examples import PROBLEMS
from download_api.problems.problem import MEDIA_TYPE, problem_body
from download_schedule.types import JSONObject

Responses = dict[int | str, dict[str, Any]]

_HEADER_DESCRIPTIONS: Final = {
    "Content-Range": "Size of the file in bytes",
    "ETag": "Version of the schedule, for If-Match; not sent for a dry run",
    "Link": 'The next page, as rel="next"; not sent on the last one',
    "Location": "Path of what was created; not sent for a dry run",
    "RateLimit": "Requests that are left, and seconds until more are allowed",
    "RateLimit-Policy": "The rate limit that applies",
    "Retry-After": "Seconds to wait before trying again",
    "WWW-Authenticate": "Authentication is required or failed",
}
_PROBLEM_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}

_SCHEDULE_OPERATIONS: Final = (
    "get_schedule",
    "change_schedule",
    "replace_schedule",
    "suspend_schedule",
    "resume_schedule",
    "run_schedule",
    "get_history",
    "get_ticks",
    "delete_schedule",
)
_RUN_OPERATIONS: Final = ("get_execution", "get_log", "get_content")


def _links(operations: Iterable[str], **pointers: str) -> JSONObject:
    """Return links to *operations*, whose parameters are at these places of the response."""
    parameters = {name: f"$response.body#{pointer}" for name, pointer in pointers.items()}
    return {name: {"operationId": name, "parameters": parameters} for name in operations}


RUN_LINKS: Final = _links(_RUN_OPERATIONS, schedule_id="/schedule_id", execution_id="/execution_id")
FIRST_RUN_LINKS: Final = _links(
    _RUN_OPERATIONS,
    schedule_id="/executions/0/schedule_id",
    execution_id="/executions/0/execution_id",
)


def problems(*statuses: int) -> Responses:
    """Return the problems alone."""
    return {status: _problem(status) for status in statuses}


def page(*statuses: int, links: JSONObject | None = None) -> Responses:
    """Return the responses of a route that returns a page."""
    return {200: {**_headers("Link"), "links": links or {}}, **problems(*statuses)}


def schedule(*statuses: int) -> Responses:
    """Return the responses of a route that returns a schedule as it is now."""
    return {200: _headers("ETag"), **problems(*statuses)}


def created_schedule(*statuses: int) -> Responses:
    """Return the responses of a route that creates a schedule."""
    links = _links(_SCHEDULE_OPERATIONS, schedule_id="/id")
    return {201: {**_headers("Location", "ETag"), "links": links}, **problems(*statuses)}


def run(*statuses: int) -> Responses:
    """Return the responses of a route that returns a run."""
    return {200: {"links": RUN_LINKS}, **problems(*statuses)}


def accepted_run(*statuses: int) -> Responses:
    """Return the responses of a route that requests a run."""
    return {202: {**_headers("Location"), "links": RUN_LINKS}, **problems(*statuses)}


def text(description: str, *statuses: int) -> Responses:
    """Return the responses of a route that sends a stream of text."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {200: {"description": description, "content": content}, **problems(*statuses)}


def file(*statuses: int) -> Responses:
    """Return the responses of a route that sends a file, or a redirect to it."""
    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    location = {"description": "Valid for a minute", "schema": {"type": "string", "format": "uri"}}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The bytes that Range asks for.", "content": content},
        304: {"description": "If-None-Match has the file's ETag."},
        307: {"description": "The file is at Location.", "headers": {"Location": location}},
        **problems(*statuses),
    }


def events(*statuses: int) -> Responses:
    """Return the responses of a route that sends server-sent events."""
    content = {"text/event-stream": {"schema": _EVENT}}
    return {200: {"description": _EVENT["description"], "content": content}, **problems(*statuses)}


_EVENT: Final[JSONObject] = {
    "type": "object",
    "description": "A server-sent event: a change of a schedule, or reset if events were missed.",
    "properties": {
        "id": {"type": "string", "description": "Send it as Last-Event-ID to go on from here."},
        "event": {"enum": ["created", "changed", "deleted", "reset"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The schedule.",
        },
    },
}


def _headers(*names: str) -> dict[str, Any]:
    headers = {
        name: {"description": _HEADER_DESCRIPTIONS[name], "schema": {"type": "string"}}
        for name in names
    }
    return {"headers": headers} if headers else {}


def _problem(status: int) -> dict[str, Any]:
    error_type, message = PROBLEMS[status]
    return {
        "description": message,
        **_headers(*_PROBLEM_HEADERS.get(status, ())),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": problem_body(status, error_type, message),
            }
        },
    }
