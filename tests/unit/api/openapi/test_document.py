"""What the description of the API says of every route."""

import re
from typing import Any

from download_api.app import build_app
from download_api.content import location
from download_api.settings import Settings
from download_kube.login import login
from download_schedule import cron
from download_schedule.model import Format
from tools.generate import api_reference

DESCRIPTION = build_app(Settings(), login).openapi()
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation
    for path in DESCRIPTION["paths"].values()
    for operation in path.values()
}


def test_every_route_says_how_it_refuses() -> None:
    for operation in OPERATIONS.values():
        answers = operation["responses"]
        assert answers.keys() >= {"401", "422", "429", "503"}
        assert ("413" in answers) == ("requestBody" in operation)
        assert answers["429"]["headers"].keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}


def test_the_example_of_a_preview_is_what_it_says() -> None:
    (example,) = DESCRIPTION["components"]["schemas"]["CronPreview"]["examples"]
    ticks = cron.parse(example["cron_expression"], example["time_zone"])
    assert example["description"] == ticks.describe()


def test_who_names_a_version_is_told_it() -> None:
    told = {
        name
        for name, operation in OPERATIONS.items()
        for answer in operation["responses"].values()
        if "ETag" in answer.get("headers", {})
    }
    assert told == {
        "create_schedule",
        "get_schedule",
        "change_schedule",
        "replace_schedule",
        "suspend_schedule",
        "resume_schedule",
    }


def test_the_examples_are_as_runs_are() -> None:
    shown = {
        name: shape.get("examples") for name, shape in DESCRIPTION["components"]["schemas"].items()
    }
    (kept,), (started,) = shown["Execution"], shown["Started"]
    run = {"id": "1", "state": "Completed", "location": kept["location"]}
    assert location.place({"status": {"history": [run]}}, run).store == "reports"
    assert re.fullmatch(r"daily-report-[0-9a-f]{10}", started["execution_id"])


def test_the_default_is_said_once_to_be_null() -> None:
    changes = DESCRIPTION["components"]["schemas"]["ScheduleChanges"]["properties"]
    for name in ("headers", "keep_last", "destination"):
        kinds = [option.get("type") for option in changes[name]["anyOf"]]
        assert kinds[1:] == ["null"]
        assert kinds[0] != "null"
        assert "anyOf" not in changes[name]["anyOf"][0]


def test_what_a_parameter_means_is_said_where_readers_look() -> None:
    for operation in OPERATIONS.values():
        for parameter in operation.get("parameters", ()):
            options = parameter["schema"].get("anyOf", ())
            assert not any("description" in option for option in options), parameter["name"]


def test_the_reference_tells_values_bounds_and_defaults() -> None:
    text = api_reference.render(DESCRIPTION)
    formats = ", ".join(f"`{each}`" for each in Format)
    assert f"### Format\n\nThe form in which the file is kept.\n\n{formats}\n" in text
    assert "| `max_redirects` | integer 0 to 20 [`5`] |" in text
    assert "| `limit` | query | integer 1 to 100 [`20`] |" in text
    assert "| `headers` | map to (string or null) or null |" in text
