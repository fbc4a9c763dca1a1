"""docs/reference/downloadschedule.md, from the custom resource definition. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from tools.generate.reference.markdown import code, escape, page, sentence, table

JSON = dict[str, Any]

_INTRODUCTION: Final = """
`apiVersion: downloads.dev/v1alpha1`, `kind: DownloadSchedule`, short name `dls`, namespaced. The
same text is in `kubectl explain dls.spec --recursive`. The API server refuses an object that
breaks a rule, with the sentence given here.
"""
_HEADINGS: Final = {
    "spec": "What you write.",
    "status": "What the operator reports. A member that would be zero or empty is left out.",
}


def render(definition: JSON) -> str:
    """Return the page."""
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    parts = [
        part
        for name, heading in _HEADINGS.items()
        for part in _section(name, {**schema["properties"][name], "description": heading})
    ]
    return page("The resource DownloadSchedule", _INTRODUCTION, *parts, *_columns(version))


def _columns(version: JSON) -> Iterator[str]:
    yield "## Columns of kubectl get"
    yield "`kubectl get dls -o wide` adds the column `URL`."
    rows = [
        (code(column["name"].upper()), code(column["jsonPath"]))
        for column in version["additionalPrinterColumns"]
    ]
    yield table(("Column", "Shows"), rows)


def _section(path: str, schema: JSON) -> Iterator[str]:
    """Yield the parts about an object, and then those about the objects in it."""
    members = schema["properties"]
    yield f"## {path}"
    yield sentence(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [_row(path, name, member, name in required) for name, member in members.items()]
    yield table(("Field", "Type", "Default", "Bounds", "Meaning"), rows)
    if rules := list(_rules(schema)):
        yield "Rules:"
        yield "\n".join(f"- {rule}" for rule in rules)
    for name, member in members.items():
        inner = _object_in(member)
        if inner:
            yield from _section(f"{path}.{name}", inner)


def _row(path: str, name: str, member: JSON, required: bool) -> tuple[str, ...]:
    default = "required" if required else code(_literal(member.get("default", "")))
    meaning = sentence(member.get("description", ""))
    return code(name), _type(f"{path}.{name}", member), default, _bounds(member), meaning


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _object_in(member: JSON) -> JSON | None:
    """Return the object that a member is, or is a list of, if it has members of its own."""
    inner: JSON = member.get("items", member)
    return {**inner, "description": inner.get("description", "")} if _has_members(inner) else None


def _has_members(schema: JSON) -> bool:
    return bool(schema.get("properties"))


def _type(path: str, member: JSON) -> str:
    if "enum" in member:
        return ", ".join(map(code, member["enum"]))
    if member["type"] == "array":
        return f"list of {_type(path, member['items'])}"
    if _has_members(member):
        return f"[object](#{path.replace('.', '').lower()})"
    if member["type"] == "object":
        return "empty object"
    return "time" if member.get("format") == "date-time" else str(member["type"])


def _bounds(member: JSON) -> str:
    if member["type"] == "array":
        inner = _bounds(member["items"])
        items = f"at most {member['maxItems']} items"
        return f"{items}, each {inner}" if inner else items
    if member["type"] == "integer":
        return _range(member.get("minimum"), member.get("maximum"), "")
    if member["type"] == "string" and "enum" not in member:
        return _range(member.get("minLength"), member.get("maxLength"), " characters")
    return ""


def _range(low: int | None, high: int | None, unit: str) -> str:
    if high is None:
        return "" if low is None else f"at least {low}{unit}"
    return f"at most {high}{unit}" if low is None else f"{low} to {high}{unit}"


def _rules(schema: JSON) -> Iterator[str]:
    """Yield the sentences of the rules on an object and on its members.

    A member that is an object has a section of its own; the rules on it are there.
    """
    yield from _messages(schema)
    for name, member in schema["properties"].items():
        if not _has_members(member):
            yield from (f"{code(name)}: {message}" for message in _messages(member))
        if not _has_members(items := member.get("items", {})):
            yield from (f"{code(name)}: {message}" for message in _messages(items))


def _messages(schema: JSON) -> Iterator[str]:
    return (escape(rule["message"]) for rule in schema.get("x-kubernetes-validations", ()))
