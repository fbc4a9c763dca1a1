"""The CRD's schema, as the API server requires and as ``kubectl explain`` shows it."""

from collections.abc import Iterator
from typing import Any

from download_schedule.crd import build_crd

(VERSION,) = build_crd()["spec"]["versions"]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]
STATUS = SCHEMA["properties"]["status"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below *schema* with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_schema_is_structural() -> None:
    for path, node in nodes(SCHEMA):
        assert "type" in node, path
        assert not node.keys() & {"$ref", "$defs", "anyOf", "title", "additionalProperties"}, path


def test_every_string_and_list_is_bounded() -> None:
    """CEL rules are priced by these bounds."""
    for path, node in [*nodes(SPEC, "spec"), *nodes(STATUS, "status")]:
        if node["type"] == "string":
            assert node.keys() & {"maxLength", "enum", "format"}, path
        if node["type"] == "array":
            assert "maxItems" in node, path


def test_every_member_has_a_description() -> None:
    for path, node in [*nodes(SPEC, "spec"), *nodes(STATUS, "status")]:
        if not path.endswith("[]"):
            assert node.get("description", "").endswith("."), path


def test_status_has_no_defaults() -> None:
    assert [path for path, node in nodes(STATUS) if "default" in node] == []


def test_default_of_a_member_is_in_the_schema() -> None:
    properties = SPEC["properties"]
    assert properties["timeZone"]["default"] == "Etc/UTC"
    assert properties["request"]["properties"]["maxRedirects"]["default"] == 5
    assert properties["waitFor"]["properties"]["statuses"]["default"] == [404]
    assert "default" not in properties["verify"]["properties"]["contentTypes"]
