"""From what callers send to resources."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from download_api.problems import ProblemError
from download_api.schema.from_resource import schedule
from download_api.schema.to_resource import manifest, patched
from tests.unit.api.objects import new, resource

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


def test_a_new_schedule_becomes_a_resource() -> None:
    made = manifest(
        new(enabled=False, headers={"Accept": "x"}, destination={"volume": {"claim_name": "data"}}),
        "team",
        "report",
    )
    assert made["metadata"]["annotations"] == {"downloads.dev/display-name": "Report"}
    assert made["spec"]["suspend"]
    assert made["spec"]["request"]["headers"] == [{"name": "Accept", "value": "x"}]
    assert made["spec"]["destination"]["volume"]["claimName"] == "data"


@pytest.mark.parametrize(
    ("members", "status", "sentence"),
    [
        ({"cron_expression": "61 * * * *"}, 400, "minute"),
        ({"cron_expression": "@every 5m"}, 400, "cron_expression"),
        ({"cron_expression": "0 0 31 2 *"}, 400, "never fire"),
        ({"cron_expression": "0\u00a02 * * *"}, 400, "not ASCII, such as a space from a web page"),
        ({"url": "ftp://example.com/x"}, 422, "url: url must start with http:// or https://"),
        ({"url": "https://me:pw@example.com/x"}, 422, "send them in headers or secret_headers"),
        ({"time_zone": "Mars/Base"}, 422, "time_zone"),
        ({"history_limit": 101}, 422, "history_limit: Input should be less than or equal to 100"),
        (
            {"only_if_changed": True},
            422,
            "only_if_changed and keep_last only work with files on a volume",
        ),
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
        ({"backoffLimit": 1}, 422, "backoffLimit: there is no such member"),
        ({"schedule": "@daily"}, 422, "schedule: there is no such member"),
        ({"request": {"headers": {}}}, 422, "request.headers: there is no such member"),
        ({"headers": {"Host": "x"}}, 422, "leave out Host"),
        (
            {"destination": {"volume": {"claim_name": "Data"}}},
            422,
            "destination.volume.claim_name: claim_name must be",
        ),
    ],
)
def test_what_cannot_be(members: dict[str, Any], status: int, sentence: str) -> None:
    with pytest.raises(ProblemError) as told:
        patched(resource(), members)
    assert told.value.status == status
    assert sentence in str(told.value)


@pytest.mark.parametrize("depth", [100, 600, 900])
def test_a_change_may_be_nested_as_deeply_as_json_is_read(depth: int) -> None:
    changes = json.loads('{"request":' + '{"a":' * depth + "1" + "}" * (depth + 1))
    with pytest.raises(ProblemError) as refused:
        patched(resource(), changes)
    assert refused.value.status == 422


def test_a_resource_of_before_a_rule_is_shown_and_can_be_put_right() -> None:
    """Otherwise it alone would keep everybody from every list that it is in."""
    s3 = {"bucket": "reports", "credentialsSecretRef": {"name": "s3"}, "endpoint": "https://a\vb"}
    headers = [{"name": "Host", "value": "ü"}]
    old = resource(url="ftp://a", destination={"s3": s3}, request={"headers": headers})
    shown = schedule(old, NOW)
    assert shown.destination
    assert shown.destination.s3
    assert (shown.url, shown.destination.s3.endpoint) == ("ftp://a", "https://a\vb")
    assert shown.headers == {"Host": "ü"}
    with pytest.raises(ProblemError, match=r"destination\.s3\.endpoint"):
        patched(old, {"enabled": False})
