"""The description of the API, openapi.json: what FastAPI does not find by itself."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from download_api.openapi.examples import EXAMPLES, PROBLEMS
from download_api.problems import ErrorType
from download_api.schema.to_resource import MERGE_PATCH

JSON = dict[str, Any]
Answers = dict[int | str, dict[str, Any]]
NULL: Final[JSON] = {"type": "null"}

_LINKED: Final = (
    "get_schedule",
    "change_schedule",
    "replace_schedule",
    "suspend_schedule",
    "resume_schedule",
    "run_schedule",
    "get_history",
    "delete_schedule",
)


def _links(operations: Iterable[str], **pointers: str) -> JSON:
    parameters = {name: f"$response.body#{pointer}" for name, pointer in pointers.items()}
    return {name: {"operationId": name, "parameters": parameters} for name in operations}


_OF_RUNS: Final = ("get_execution", "get_log", "get_content")
RUN: Final = _links(_OF_RUNS, schedule_id="/schedule_id", execution_id="/execution_id")
FIRST_RUN: Final = _links(
    _OF_RUNS, schedule_id="/executions/0/schedule_id", execution_id="/executions/0/execution_id"
)


def answers(*statuses: int) -> Answers:
    """Return what a route may answer but its success."""
    return {
        status: {
            "description": PROBLEMS[status][1],
            **_headers(*_BESIDE.get(status, ())),
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": _problem(status, *PROBLEMS[status]),
                }
            },
        }
        for status in statuses
    }


def _headers(*names: str) -> JSON:
    told = {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}
    return {"headers": told} if told else {}


_BESIDE: Final = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}
_HEADERS: Final = {
    "Content-Range": "How many bytes there are",
    "ETag": "For If-Match of a change; not of what is only tried (dry_run)",
    "Link": 'The next page, as rel="next"',
    "Location": "Where it is; not of what is only tried (dry_run)",
    "RateLimit": "How many requests are left, and seconds until there are more",
    "RateLimit-Policy": "How many requests there are",
    "Retry-After": "Seconds",
    "WWW-Authenticate": "That a token or key is missing, or not good",
}


def paged(*statuses: int, links: JSON | None = None) -> Answers:
    """Return the answers of a route whose success is one page."""
    return {200: {**_headers("Link"), "links": links or {}}, **answers(*statuses)}


def tagged(*statuses: int) -> Answers:
    """Return the answers of a route whose success is a schedule as it is now."""
    return {200: _headers("ETag"), **answers(*statuses)}


def text(what: str, *statuses: int) -> Answers:
    """Return the answers of a route whose success is a stream of text."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {200: {"description": what, "content": content}, **answers(*statuses)}


def file(*statuses: int) -> Answers:
    """Return the answers of a route whose success is a file, or the way to it."""
    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    link = {"description": "Good for a minute", "schema": {"type": "string", "format": "uri"}}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The bytes that Range asks for.", "content": content},
        304: {"description": "If-None-Match names the file's ETag."},
        307: {"description": "Where the file is.", "headers": {"Location": link}},
        **answers(*statuses),
    }


def events(*statuses: int) -> Answers:
    """Return the answers of a route whose success is a stream of server-sent events."""
    content = {"text/event-stream": {"schema": EVENT}}
    return {200: {"description": EVENT["description"], "content": content}, **answers(*statuses)}


def leading_on(status: int, *statuses: int) -> Answers:
    """Return the answers of a route whose success, with *status*, is a schedule made."""
    links = _links(_LINKED, schedule_id="/id")
    return {status: {**_headers("Location", "ETag"), "links": links}, **answers(*statuses)}


def leading_to_run(status: int, *statuses: int) -> Answers:
    """Return the answers of a route whose success, with *status*, is a run."""
    headers = _headers("Location") if status == 202 else {}
    return {status: {**headers, "links": RUN}, **answers(*statuses)}


def describe(app: FastAPI) -> JSON:
    """Return the description; it is the same for every installation."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            summary="Downloads on a schedule, kept as DownloadSchedules of Kubernetes.",
            routes=app.routes,
        )
        schemas = found["components"]["schemas"]
        schemas["Problem"] = PROBLEM
        schemas["ScheduleChanges"] = _changes(schemas["NewSchedule"], schemas)
        patch = found["paths"]["/schedules/{schedule_id}"]["patch"]["requestBody"]["content"]
        patch[MERGE_PATCH]["schema"] = {"$ref": "#/components/schemas/ScheduleChanges"}
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        app.openapi_schema = _plain(found)
    return app.openapi_schema


def _changes(new: JSON, schemas: JSON) -> JSON:
    """Return the schema of a merge patch: any members of a new schedule, null for the default."""
    properties, required = new["properties"], new["required"]
    members = {
        name: _partial(schema, schemas) if name in required else _nullable(schema, schemas)
        for name, schema in properties.items()
    }
    return {
        "title": "ScheduleChanges",
        "type": "object",
        "description": "Members of a schedule to change; null is the default (RFC 7396).",
        "additionalProperties": False,
        "properties": members,
        "examples": [{"cron_expression": "0 3 * * *"}],
    }


def _nullable(schema: JSON, schemas: JSON) -> JSON:
    """Return what a patch may say of a member: part of it, or that it shall be the default."""
    part = _partial(schema, schemas)
    if NULL in part.get("anyOf", ()):
        return part
    return {"anyOf": [part, NULL]}


def _partial(schema: JSON, schemas: JSON) -> JSON:
    """Return a schema of part of what *schema* describes; arrays are only ever whole."""
    if "$ref" in schema:
        return _partial(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    part = {name: value for name, value in schema.items() if name not in ("default", "required")}
    for name in {"anyOf"} & part.keys():
        part[name] = [_partial(inner, schemas) for inner in part[name]]
    for name in {"properties"} & part.keys():
        part[name] = {inner: _nullable(of, schemas) for inner, of in part[name].items()}
    for name in {"additionalProperties"} & part.keys():
        part[name] = part[name] and _nullable(part[name], schemas)
    return part


EVENT: Final[JSON] = {
    "type": "object",
    "description": "One server-sent event: what became of a schedule, or reset where events were "
    "missed.",
    "properties": {
        "id": {"type": "string", "description": "To be sent as Last-Event-ID."},
        "event": {"enum": ["created", "changed", "deleted", "reset"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}

PROBLEM: Final[JSON] = {
    "title": "Problem",
    "type": "object",
    "description": "Problem details (RFC 9457); detail is the seed API's error.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What is wrong, and what to do."},
        "status": {"type": "integer"},
        "detail": {
            "type": "object",
            "required": ["success", "error", "error_type"],
            "properties": {
                "success": {"const": False},
                "error": {"type": "string"},
                "error_type": {
                    "enum": list(get_args(ErrorType)),
                    "description": "One word for programs.",
                },
            },
        },
    },
}


def _problem(status: int, kind: str, sentence: str) -> JSON:
    return {
        "type": "about:blank",
        "title": sentence,
        "status": status,
        "detail": {"success": False, "error": sentence, "error_type": kind},
    }


_MATCHES: Final = re.compile(r'self\.matches\(r"(.*)"\)', re.DOTALL)


def _plain(node: Any) -> Any:
    """Return JSON schema without Kubernetes' own words: its rules that are patterns as such."""
    if isinstance(node, list):
        return [_plain(inner) for inner in node]
    if not isinstance(node, Mapping):
        return node
    plain = {
        name: _plain(value) for name, value in node.items() if not name.startswith("x-kubernetes-")
    }
    rules = (rule["rule"] for rule in node.get("x-kubernetes-validations", ()))
    patterns = [found[1].replace(r"\z", "$") for rule in rules if (found := _MATCHES.match(rule))]
    if len(patterns) == 1:
        plain["pattern"] = patterns[0]
    elif patterns:
        plain["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return plain
