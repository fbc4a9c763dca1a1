"""The page about the resource."""

from typing import Any

from download_schedule.crd import build_crd
from tools.generate.reference.resource import render


def test_every_field_has_a_row_and_a_meaning() -> None:
    text = render(build_crd())
    (version,) = build_crd()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    for name in fields(schema["spec"]) + fields(schema["status"]):
        (row, *_) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert len(row.split(" | ")) == 5
        assert not row.endswith("|  |"), f"{name} has no description"


def fields(schema: dict[str, Any]) -> list[str]:
    """Names of all members of an object, and of those in it."""
    members = schema.get("items", schema).get("properties", {})
    return [*members, *(name for inner in members.values() for name in fields(inner))]


def test_rows_have_type_default_and_bounds() -> None:
    text = render(build_crd())

    assert "| `url` | string | required | 1 to 2048 characters |" in text
    assert "| `suspend` | boolean | `false` |  |" in text
    assert "| `keepLast` | integer |  | 1 to 10000 |" in text
    assert "| `request` | [object](#specrequest) |  |  |" in text
    assert "| `headers` | list of [object](#specrequestheaders) |  | at most 32 items |" in text
    assert "| `contentTypes` | list of string |  | at most 16 items, each 3 to 255 chara" in text
    assert "| `nextRunTime` | time |" in text
    assert "| `discard` | empty object |" in text


def test_rules_are_beside_the_fields_that_they_are_about() -> None:
    text = render(build_crd())

    spec = text.partition("## spec\n")[2].partition("\n## ")[0]
    assert "- `url`: url must start with http:// or https://" in spec
    assert "- onlyIfChanged and keepLast only work with files on a volume" in spec
    assert r"or five fields such as 0 2 \* \* \*" in spec
    headers = text.partition("## spec.request\n")[2].partition("\n## ")[0]
    assert "- `headers`: a header needs a value; write either value or valueFrom" in headers
    verify = text.partition("## spec.verify\n")[2].partition("\n## ")[0]
    assert "- `contentTypes`: a content type is type/subtype" in verify


def test_every_rule_is_shown() -> None:
    text = render(build_crd()).replace("\\", "")
    (version,) = build_crd()["spec"]["versions"]
    for message in messages(version["schema"]["openAPIV3Schema"]):
        assert message.replace("\\", "") in text


def messages(node: Any) -> list[str]:
    """Messages of all rules in a schema."""
    if isinstance(node, list):
        return [message for item in node for message in messages(item)]
    if not isinstance(node, dict):
        return []
    inner = [message for value in node.values() for message in messages(value)]
    return inner + [rule["message"] for rule in node.get("x-kubernetes-validations", ())]
