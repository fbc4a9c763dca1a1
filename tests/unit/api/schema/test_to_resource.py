"""From what callers send to resources."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from download_api.problems.problem import ProblemError
from download_api.schema.from_resource import to_schedule
from download_api.schema.to_resource import apply_patch, build_resource, merge
from tests.support.api_objects import new_schedule, resource

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


def test_new_schedule_becomes_a_resource() -> None:
    new = new_schedule(
        enabled=False, headers={"Accept": "x"}, destination={"volume": {"claim_name": "data"}}
    )
    built = build_resource(new, "team", "report")
    assert built["metadata"]["annotations"] == {"downloads.dev/display-name": "Report"}
    assert built["spec"]["suspend"]
    assert built["spec"]["request"]["headers"] == [{"name": "Accept", "value": "x"}]
    assert built["spec"]["destination"]["volume"]["claimName"] == "data"


@pytest.mark.parametrize(
    ("target", "changes", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ("foo", {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "foo"}, None, None),
    ],
)
def test_merge_follows_the_examples_of_rfc_7396(
    target: object, changes: object, expected: object
) -> None:
    assert merge(target, changes) == expected


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"cron_expression": "61 * * * *"}, 400, "minute"),
        ({"cron_expression": "@every 5m"}, 400, "cron_expression"),
        ({"cron_expression": "0 0 31 2 *"}, 400, "never fire"),
        (
            {"cron_expression": "0\u00a02 * * *"},
            400,
            "not ASCII, perhaps a space copied from a web page",
        ),
        ({"url": "ftp://example.com/x"}, 422, "url: url must start with http:// or https://"),
        ({"url": "https://me:pw@example.com/x"}, 422, "send them in headers or secret_headers"),
        ({"time_zone": "Mars/Base"}, 422, "time_zone"),
        ({"history_limit": 101}, 422, "history_limit: Input should be less than or equal to 100"),
        ({"only_if_changed": True}, 422, "only_if_changed and keep_last only work with files on"),
        (
            {"verify": {"min_bytes": 2, "max_bytes": 1}},
            422,
            "verify: min_bytes must not be greater",
        ),
        ({"request": {"body": "x"}}, 422, "a body is only sent with POST"),
        (
            {"secret_headers": {"a": {"name": "s", "key": "k"}}, "headers": {"A": "x"}},
            422,
            "headers and secret_headers: a header is named twice",
        ),
        (
            {"wait_for": {"at_most_seconds": 3541}},
            422,
            "write an active_deadline_seconds that is greater than wait_for.at_most_seconds by at "
            "least 60",
        ),
        (
            {"wait_for": {"at_most_seconds": 60}},
            422,
            "wait_for: wait_for.every_seconds must not be greater than at_most_seconds",
        ),
        ({"wait_for": {"at_most_seconds": 600, "until": "Changed"}}, 422, "destination.volume"),
        ({"wait_for": {"atMostSeconds": 600}}, 422, "wait_for.atMostSeconds: there is no such"),
        ({"backoffLimit": 1}, 422, "backoffLimit: there is no such member"),
        ({"schedule": "@daily"}, 422, "schedule: there is no such member"),
        ({"request": {"headers": {}}}, 422, "request.headers: there is no such member"),
        ({"headers": {"Host": "x"}}, 422, "leave out Host"),
        ({"exclude": {"dates": ["2026-02-29"]}}, 422, "exclude.dates.0: exclude.dates takes days"),
        (
            {"exclude": {"month_days": [0]}},
            422,
            "exclude.month_days.0: a day of exclude.month_days is 1 to 31",
        ),
        (
            {"exclude": {"weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]}},
            422,
            "exclude.weekdays leaves no day; write six at most, or suspend the schedule",
        ),
        (
            {"exclude": {"weekdays": ["Sat"]}, "cron_expression": "0 2 * * SAT"},
            422,
            "exclude leaves out every tick of the schedule; write fewer weekdays and month_days, "
            "or suspend the schedule",
        ),
        ({"exclude": {"monthDays": [1]}}, 422, "exclude.monthDays: there is no such member"),
        (
            {"destination": {"volume": {"claim_name": "Data"}}},
            422,
            "destination.volume.claim_name: claim_name must be",
        ),
    ],
)
def test_invalid_change_is_refused_in_the_spelling_of_the_api(
    changes: dict[str, Any], status: int, message: str
) -> None:
    with pytest.raises(ProblemError) as refusal:
        apply_patch(resource(), changes)
    assert refusal.value.status == status
    assert message in str(refusal.value)


def test_wait_is_written_changed_and_taken_back() -> None:
    created = build_resource(new_schedule(wait_for={"at_most_seconds": 600}), "team", "report")
    stored = {
        "until": "Exists",
        "everySeconds": 300,
        "atMostSeconds": 600,
        "statuses": [404],
    }
    assert created["spec"]["waitFor"] == stored

    waiting = resource(waitFor=stored)
    assert apply_patch(waiting, {"enabled": True})["spec"] == waiting["spec"]
    shorter = apply_patch(waiting, {"wait_for": {"every_seconds": 60}})
    assert shorter["spec"]["waitFor"] == {**stored, "everySeconds": 60}
    assert "waitFor" not in apply_patch(waiting, {"wait_for": None})["spec"]


@pytest.mark.parametrize("depth", [100, 600, 900])
def test_change_may_be_nested_as_deeply_as_json_can_be_read(depth: int) -> None:
    changes = json.loads('{"request":' + '{"a":' * depth + "1" + "}" * (depth + 1))
    with pytest.raises(ProblemError) as refusal:
        apply_patch(resource(), changes)
    assert refusal.value.status == 422


def test_resource_that_is_older_than_a_rule_is_shown_but_must_be_corrected_to_change_it() -> None:
    """If it could not be shown, no list with it could be."""
    s3 = {"bucket": "reports", "credentialsSecretRef": {"name": "s3"}, "endpoint": "https://a\vb"}
    headers = [{"name": "Host", "value": "ü"}]
    old = resource(url="ftp://a", destination={"s3": s3}, request={"headers": headers})
    schedule = to_schedule(old, NOW)
    assert schedule.destination
    assert schedule.destination.s3
    assert (schedule.url, schedule.destination.s3.endpoint) == ("ftp://a", "https://a\vb")
    assert schedule.headers == {"Host": "ü"}
    with pytest.raises(ProblemError, match=r"destination\.s3\.endpoint"):
        apply_patch(old, {"enabled": False})


def test_days_that_are_left_out_are_merged_and_written_as_the_resource_has_them() -> None:
    by_kubectl = resource(exclude={"weekdays": ["Sat"]})
    changed = apply_patch(by_kubectl, {"exclude": {"month_days": [-1]}})
    assert changed["spec"]["exclude"] == {"dates": [], "weekdays": ["Sat"], "monthDays": [-1]}
    assert apply_patch(by_kubectl, {"history_limit": 5})["spec"]["exclude"] == {"weekdays": ["Sat"]}
    assert not any(apply_patch(by_kubectl, {"exclude": None})["spec"]["exclude"].values())
