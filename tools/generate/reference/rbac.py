"""docs/reference/rbac.md, from the roles that the chart renders. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from tools.generate.reference.markdown import code, page, table

_INTRODUCTION: Final = """
The rights of the two service accounts, and the roles for people, as `helm template` renders them.
A download's Pod has no service-account token and therefore no rights. What callers of the HTTP API
need is in [its guide](../guides/http-api.md#kubernetes-each-caller-with-their-own-rights), and what
each right is worth in [Security](../guides/security.md).
"""
_SCOPES: Final = {
    "ClusterRole": (
        "Bound in all namespaces. If you set `operator.namespaces` or `api.namespaces`, the roles "
        "about schedules are bound in those alone."
    ),
    "Role": "Bound in the release's own namespace.",
}
_AGGREGATION: Final = "rbac.authorization.k8s.io/aggregate-to-"
_RULE: Final = re.compile(r"((?:^  #.*\n)*)^  - apiGroups:.*\n(?:^    .*\n)*", re.MULTILINE)
"""A rule of a role, with the comment before it."""


class Role(NamedTuple):
    """A role, and why each of its rules is there."""

    kind: str
    name: str
    scope: str
    rules: list[tuple[dict[str, Any], str]]


def render(titles: dict[str, str]) -> str:
    """Return the page.

    Args:
        titles: rendered charts by the title of their section. A role that an earlier section has
            in the same words is left out of the later ones.

    Raises:
        ValueError: a rule has no comment that says why it is there.
    """
    shown: list[Role] = []
    parts: list[str] = []
    for title, text in titles.items():
        fresh = [role for role in roles(text) if role not in shown]
        shown += fresh
        parts += [f"## {title}", *(part for role in fresh for part in _section(role))]
    return page("Rights (RBAC)", _INTRODUCTION, *parts)


def roles(text: str) -> Iterator[Role]:
    """Yield the roles of a rendered chart."""
    for document in re.split(r"^---.*\n", text, flags=re.MULTILINE):
        item = yaml.safe_load(document)
        if item and item["kind"] in _SCOPES:
            yield Role(item["kind"], item["metadata"]["name"], _scope(item), list(_rules(document)))


def _scope(item: dict[str, Any]) -> str:
    """Return the sentence that says where a role holds."""
    labels = item["metadata"].get("labels", {})
    for label in labels:
        if label.startswith(_AGGREGATION):
            return f"For people. Kubernetes' role {code(label.removeprefix(_AGGREGATION))} has it."
    if item["metadata"].get("namespace") == "default":
        return "Bound in the namespace `default`, where the API server keeps its endpoints."
    return _SCOPES[item["kind"]]


def _rules(document: str) -> Iterator[tuple[dict[str, Any], str]]:
    for match in _RULE.finditer(document + "\n"):
        (rule,) = yaml.safe_load(match[0])
        reason = " ".join(line.strip(" #") for line in match[1].splitlines())
        if not reason:
            raise ValueError(f"the rule about {rule['resources']} needs a comment that says why")
        yield rule, reason


def _section(role: Role) -> Iterator[str]:
    yield f"### {role.kind} {code(role.name)}"
    yield role.scope
    rows = [
        (_group(rule), _resources(rule), ", ".join(rule["verbs"]), reason)
        for rule, reason in role.rules
    ]
    yield table(("API group", "Resources", "Verbs", "Why"), rows)


def _group(rule: dict[str, Any]) -> str:
    (group,) = rule["apiGroups"]
    return group or "core"


def _resources(rule: dict[str, Any]) -> str:
    resources = ", ".join(map(code, rule["resources"]))
    only = ", ".join(map(code, rule.get("resourceNames", ())))
    return f"{resources} named {only}" if only else resources
