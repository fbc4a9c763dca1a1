"""openapi.json: the schemas that FastAPI does not find by itself."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, get_args

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from download_api.openapi.examples import EXAMPLES
from download_api.problems.problem import ErrorType
from download_api.schema.to_resource import MERGE_PATCH
from download_schedule.types import JSONObject

_NULL: Final[JSONObject] = {"type": "null"}

_PROBLEM: Final[JSONObject] = {
    "title": "Problem",
    "type": "object",
    "description": "Problem details (RFC 9457). The member detail is the seed API's error.",
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

_MATCHES_RULE: Final = re.compile(r'self\.matches\(r"(.*)"\)', re.DOTALL)


def describe(app: FastAPI) -> JSONObject:
    """Return the OpenAPI document, which is the same for every installation."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary="Downloads on a schedule, stored as DownloadSchedules in Kubernetes.",
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = _PROBLEM
        schemas["ScheduleChanges"] = _merge_patch_of(schemas["NewSchedule"], schemas)
        patch = document["paths"]["/schedules/{schedule_id}"]["patch"]["requestBody"]["content"]
        patch[MERGE_PATCH]["schema"] = {"$ref": "#/components/schemas/ScheduleChanges"}
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        app.openapi_schema = _without_kubernetes_keywords(document)
    return app.openapi_schema


@lru_cache(maxsize=1)
def describe_in_json(app: FastAPI) -> bytes:
    """Return the same as JSON, which is made once: anybody may ask for it, without a key."""
    return orjson.dumps(describe(app))


def _merge_patch_of(new: JSONObject, schemas: JSONObject) -> JSONObject:
    """Return the schema of a merge patch of a new schedule."""
    members = {
        name: _partial(schema, schemas)
        if name in new["required"]
        else _nullable_partial(schema, schemas)
        for name, schema in new["properties"].items()
    }
    return {
        "title": "ScheduleChanges",
        "type": "object",
        "description": "The members of a schedule to change; null restores the default (RFC 7396).",
        "additionalProperties": False,
        "properties": members,
        "examples": [{"cron_expression": "0 3 * * *"}],
    }


def _nullable_partial(schema: JSONObject, schemas: JSONObject) -> JSONObject:
    """Return the schema of what a merge patch may contain for a member with a default."""
    partial = _partial(schema, schemas)
    if _NULL in partial.get("anyOf", ()):
        return partial
    return {"anyOf": [partial, _NULL]}


def _partial(schema: JSONObject, schemas: JSONObject) -> JSONObject:
    """Return *schema* with every member optional, at all depths. Arrays cannot be partial."""
    if "$ref" in schema:
        return _partial(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    partial = {name: value for name, value in schema.items() if name not in ("default", "required")}
    if "anyOf" in partial:
        partial["anyOf"] = [_partial(option, schemas) for option in partial["anyOf"]]
    if "properties" in partial:
        partial["properties"] = {
            name: _nullable_partial(member, schemas)
            for name, member in partial["properties"].items()
        }
    if partial.get("additionalProperties"):
        partial["additionalProperties"] = _nullable_partial(
            partial["additionalProperties"], schemas
        )
    return partial


def _without_kubernetes_keywords(node: Any) -> Any:
    """Return JSON Schema without ``x-kubernetes-`` keywords; their regular expressions stay."""
    if isinstance(node, list):
        return [_without_kubernetes_keywords(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    plain = {
        name: _without_kubernetes_keywords(value)
        for name, value in node.items()
        if not name.startswith("x-kubernetes-")
    }
    patterns = _patterns(node.get("x-kubernetes-validations", ()))
    if len(patterns) == 1:
        plain["pattern"] = patterns[0]
    elif patterns:
        plain["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return plain


def _patterns(rules: list[JSONObject]) -> list[str]:
    """Return the regular expressions of those validation rules that consist of one."""
    matches = (_MATCHES_RULE.match(rule["rule"]) for rule in rules)
    return [match[1].replace(r"\z", "$") for match in matches if match]
