"""docs/api/api-reference.md, generated from the API's OpenAPI description. Pure."""

import json
from typing import Any, Final

from download_schedule.types import JSONObject

HEAD: Final = """# HTTP API reference

Generated from [openapi.json](openapi.json) by `make generate`; do not edit.
[The guide](../guides/http-api.md) explains authentication, paging and errors. Run the examples one
after the other. `API` is the address of the API (`http://localhost:8080`), and `TOKEN` is
[a token or an API key](../guides/http-api.md#signing-in):

```sh
show() {
  curl --silent --show-error --fail-with-body --header "Authorization: Bearer $TOKEN" "$@" && echo
}
```
"""
BODIES: Final[dict[str, JSONObject]] = {
    "create_schedule": {
        "name": "Daily report",
        "url": "https://example.com/report.csv",
        "cron_expression": "0 2 * * *",
        "format": "raw",
        "headers": {"Accept": "text/csv"},
    },
    "change_schedule": {"cron_expression": "0 3 * * *", "history_limit": 50},
    "replace_schedule": {
        "name": "Daily report",
        "url": "https://example.com/report.csv",
        "cron_expression": "0 4 * * MON-FRI",
        "destination": {"volume": {"claim_name": "reports"}},
        "keep_last": 7,
    },
}
QUERIES: Final = {
    "list_schedules": "?limit=100&enabled=true",
    "get_history": "?limit=20&status=completed",
    "get_ticks": "?outcome=missed",
    "preview_cron": "?expr=0+2+*+*+MON-FRI&tz=Europe/Berlin&count=3",
}
ORDER: Final = (
    "create_schedule",
    "list_schedules",
    "get_schedule",
    "change_schedule",
    "replace_schedule",
    "suspend_schedule",
    "resume_schedule",
    "run_schedule",
    "get_history",
    "get_ticks",
    "get_execution",
    "get_log",
    "get_content",
    "follow_schedules",
    "delete_schedule",
    "preview_cron",
)
"""Order of the routes: later examples use what earlier ones create. Other routes come last."""


def render(description: JSONObject) -> str:
    """Return the reference of all routes and schemas of an OpenAPI description."""
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    ordered = [name for name in ORDER if name in operations]
    names = [*ordered, *(name for name in operations if name not in ORDER)]
    routes = [_route(*operations[name]) for name in names]
    schemas = description["components"]["schemas"]
    tables = [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join([HEAD, "## Routes\n", *routes, "## Schemas\n", *tables])


def _route(method: str, path: str, operation: JSONObject) -> str:
    lines = [f"### {method.upper()} {path}\n", f"{operation['description']}\n"]
    parameters = [p for p in operation.get("parameters", ()) if p["in"] != "path"]
    if parameters:
        lines += ["| parameter | in | meaning |", "|---|---|---|"]
        lines += [f"| `{p['name']}` | {p['in']} | {_parameter(p)} |" for p in parameters]
        lines.append("")
    lines += ["| response | |", "|---|---|"]
    lines += [
        f"| {status} | {_response(response)} |"
        for status, response in sorted(operation["responses"].items())
    ]
    return "\n".join([*lines, "", "```sh", example(method, path, operation), "```", ""])


def example(method: str, path: str, operation: JSONObject) -> str:
    """Return a curl command that calls a route."""
    name = operation["operationId"]
    url = path.replace("{schedule_id}", "$ID").replace("{execution_id}", "$RUN")
    words = [f'"$API{url}{QUERIES.get(name, "")}"']
    if method != "get":
        words.insert(0, f"--request {method.upper()}")
    if name in BODIES:
        (media,) = operation["requestBody"]["content"]
        body = json.dumps(BODIES[name], indent=2)
        words.append(f"--header 'Content-Type: {media}' --data '{body}'")
    command = f"show {' '.join(words)}"
    if name == "create_schedule":
        command = f'ID=$({command} | sed \'s/.*"id":"\\([^"]*\\)".*/\\1/\')'
    if name == "run_schedule":
        command = f'RUN=$({command} | sed \'s/.*"execution_id":"\\([^"]*\\)".*/\\1/\')'
    if name == "get_execution":
        command = f"until {command}; do sleep 1; done"
    if name == "get_log":
        command = f"{command} || echo 'the attempt has not started'"
    if name == "get_content":
        command = f"{command} || echo 'the run is not over'"
    if name == "follow_schedules":
        command = f"{command.replace('show', 'show --no-buffer --max-time 5', 1)} || true"
    return command


def _parameter(parameter: JSONObject) -> str:
    description, schema = parameter.get("description", ""), parameter["schema"]
    kind = _type(schema) + _default(schema.get("default"))
    return "; ".join(part for part in (description.rstrip("."), kind) if part)


def _response(response: JSONObject) -> str:
    for media, content in response.get("content", {}).items():
        if media == "application/problem+json":
            return f"a problem such as `{content['example']['detail']['error_type']}`"
        if "$ref" in content["schema"]:
            return _type(content["schema"])
    return str(response.get("description", ""))


def _schema(name: str, schema: JSONObject) -> str:
    lines = [f"### {name}\n", f"{_line(schema.get('description', ''))}\n"]
    required = schema.get("required", ())
    members = schema.get("properties", {})
    if "enum" in schema:
        lines.append(f"{_type(schema)}\n")
    if members:
        lines += ["| member | type | meaning |", "|---|---|---|"]
    for member, inner in members.items():
        star = "" if member in required or "default" not in inner else _default(inner["default"])
        what = _line(inner.get("description", ""))
        lines.append(f"| `{member}` | {_type(inner)}{star} | {what} |")
    return "\n".join([*lines, ""])


def _type(schema: JSONObject) -> str:
    """Describe a JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        inner = _type(schema["additionalProperties"])
        return f"map to ({inner})" if " or " in inner else f"map to {inner}"
    # FastAPI writes some integer bounds as decimal fractions.
    bounds = f" {schema['minimum']:.0f} to {schema['maximum']:.0f}" if "maximum" in schema else ""
    return f"{schema.get('format') or schema.get('type', 'any')}{bounds}"


def _default(value: Any) -> str:
    is_shown = value not in (None, "") and not isinstance(value, dict | list)
    return f" [`{json.dumps(value)}`]" if is_shown else ""


def _line(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())
