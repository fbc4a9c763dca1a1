"""What the OpenAPI document says of every route."""

import json
import re
from typing import Any

from download_api.app import build_app
from download_api.content.location import locate_file
from download_api.openapi.document import describe_in_json
from download_api.settings import Settings
from download_kube.login import login
from download_schedule import cron
from download_schedule.model import Format
from tools.generate import api_reference

APP = build_app(Settings(), login)
DOCUMENT = APP.openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
}


def test_document_is_serialised_once() -> None:
    text = describe_in_json(APP)
    assert json.loads(text) == DOCUMENT
    assert describe_in_json(APP) is text


def test_every_route_declares_its_problems() -> None:
    for operation in OPERATIONS.values():
        responses = operation["responses"]
        assert responses.keys() >= {"401", "422", "429", "503"}
        assert ("413" in responses) == ("requestBody" in operation)
        headers = responses["429"]["headers"]
        assert headers.keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}


def test_example_of_a_preview_describes_its_expression() -> None:
    (example,) = SCHEMAS["CronPreview"]["examples"]
    schedule = cron.parse(example["cron_expression"], example["time_zone"])
    assert example["description"] == schedule.describe()


def test_routes_that_return_a_stored_schedule_have_an_etag() -> None:
    with_etag = {
        name
        for name, operation in OPERATIONS.items()
        for response in operation["responses"].values()
        if "ETag" in response.get("headers", {})
    }
    assert with_etag == {
        "create_schedule",
        "get_schedule",
        "change_schedule",
        "replace_schedule",
        "suspend_schedule",
        "resume_schedule",
    }


def test_examples_of_runs_look_like_real_ones() -> None:
    (execution,), (started,) = SCHEMAS["Execution"]["examples"], SCHEMAS["Started"]["examples"]
    run = {"id": "1", "state": "Completed", "location": execution["location"]}
    assert locate_file({"status": {"history": [run]}}, run).container == "reports"
    assert re.fullmatch(r"daily-report-[0-9a-f]{10}", started["execution_id"])


def test_merge_patch_allows_null_once_for_each_member_with_a_default() -> None:
    changes = SCHEMAS["ScheduleChanges"]["properties"]
    for name in ("headers", "keep_last", "destination"):
        types = [option.get("type") for option in changes[name]["anyOf"]]
        assert types[1:] == ["null"]
        assert types[0] != "null"
        assert "anyOf" not in changes[name]["anyOf"][0]


def test_every_parameter_is_described_where_readers_look() -> None:
    for operation in OPERATIONS.values():
        for parameter in operation.get("parameters", ()):
            options = parameter["schema"].get("anyOf", ())
            assert not any("description" in option for option in options), parameter["name"]
            if parameter["name"] != "execution_id":
                assert parameter["description"], parameter["name"]


def test_reference_lists_values_bounds_and_defaults() -> None:
    text = api_reference.render(DOCUMENT)
    formats = ", ".join(f"`{name}`" for name in Format)
    assert f"### Format\n\n{Format.__doc__}\n\n{formats}\n" in text
    assert "| `max_redirects` | integer 0 to 20 [`5`] |" in text
    assert "| `limit` | query | Largest number of runs on a page; integer 1 to 100 [`20`] |" in text
    assert "| `headers` | map to (string or null) or null |" in text
