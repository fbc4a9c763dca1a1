import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from download_api.changes import manifest, patched
from download_api.cluster import ClusterError
from download_api.keys import KeyFile
from download_api.problems import ProblemError, of_cluster
from download_api.runs import Wanted, execution
from download_api.settings import Settings, help_text
from download_api.shapes import Destination, NewSchedule, Request, Verify, Volume
from download_api.traffic import Traffic
from download_api.translate import etag, is_expected, schedule, slug, split_id
from download_schedule import model
from download_schedule.model import Spec

P = "DOWNLOAD_API_"
NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
REQUIRED: dict[type[BaseModel], dict[str, str]] = {
    NewSchedule: {"name": "n", "url": "https://example.com/x", "cron_expression": "0 2 * * *"},
    Spec: {"url": "https://example.com/x", "schedule": "0 2 * * *"},
}


def new(**members: Any) -> NewSchedule:
    given = {"name": "Report", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
    return NewSchedule.model_validate({**given, **members})


def resource(**spec: Any) -> dict[str, Any]:
    made = manifest(new(), "team", "report")
    metadata = {**made["metadata"], "uid": "u", "creationTimestamp": "2026-11-23T00:00:00Z"}
    return {**made, "metadata": metadata, "spec": {**made["spec"], **spec}}


@given(st.text(min_size=1, max_size=300))
def test_a_slug_is_a_resource_name(name: str) -> None:
    made = slug(name)
    assert split_id(f"team.{made}") == ("team", made)
    assert len(made) <= 45


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Daily report!", "daily-report"), ("Über Preise", "uber-preise"), ("日報", "schedule")],
)
def test_a_slug_resembles_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "bad", ["", "report", "team.", ".x", "Team.x", "a/b.c", "a.b/../c", "a.b%"]
)
def test_what_is_no_id(bad: str) -> None:
    assert split_id(bad) is None


def test_a_name_may_have_dots() -> None:
    assert split_id("team.a.b") == ("team", "a.b")


@pytest.mark.parametrize(
    ("wanted", "included"),
    [
        (Wanted(None, None, None, None), True),
        (Wanted("failed", "manual", None, None), True),
        (Wanted("completed", None, None, None), False),
        (Wanted(None, "schedule", None, None), False),
        (Wanted(None, None, START, None), True),
        (Wanted(None, None, START + timedelta(seconds=1), None), False),
        (Wanted(None, None, None, START + timedelta(seconds=1)), True),
        (Wanted(None, None, None, START), False),
    ],
)
def test_which_runs_are_wanted(wanted: Wanted, included: bool) -> None:
    run = {"state": "Failed", "trigger": "Manual", "startTime": "2026-11-23T02:00:00Z"}
    assert wanted.includes(run) == included


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
        ({"url": "ftp://example.com/x"}, 422, "url: url must start with http:// or https://"),
        ({"url": "https://me:pw@example.com/x"}, 422, "send them in headers or secret_headers"),
        ({"time_zone": "Mars/Base"}, 422, "time_zone"),
        ({"history_limit": 101}, 422, "history_limit: Input should be less than or equal to 100"),
        ({"only_if_changed": True}, 422, "only_if_changed and keep_last need files that stay"),
        (
            {"verify": {"min_bytes": 2, "max_bytes": 1}},
            422,
            "verify: min_bytes must not be greater",
        ),
        ({"request": {"body": "x"}}, 422, "a body goes with method POST only"),
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


def test_a_resource_as_callers_see_it() -> None:
    shown = schedule(resource(), NOW)
    assert (shown.id, shown.name, shown.enabled) == ("team.report", "Report", True)
    assert shown.next_run_time == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert not shown.ready
    assert shown.message == "The operator has not seen it yet."
    assert schedule(resource(suspend=True), NOW).next_run_time is None
    assert schedule(resource(schedule="rubbish"), NOW).next_run_time is None


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        (None, True),
        ("*", True),
        ("{}", True),
        ('"a", {}', True),
        ('{} ,"b,c"', True),
        ("", False),
        ("W/{}", False),
        ('"a"', False),
    ],
)
def test_if_match(if_match: str | None, expected: bool) -> None:
    made = resource()
    made["metadata"]["generation"] = 1
    assert is_expected(made, if_match and if_match.format(etag(made))) == expected


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


def test_a_resource_made_by_kubectl() -> None:
    made = resource(destination={"volume": {"claimName": "data"}})
    del made["metadata"]["annotations"]
    made["status"] = {"conditions": [{"type": "Ready", "status": "True", "message": "fine"}]}
    shown = schedule(made, NOW)
    assert shown.name == "report"
    assert shown.destination == Destination(volume=Volume(claim_name="data"))
    assert (shown.ready, shown.message) == (True, None)


def test_a_run_as_callers_see_it() -> None:
    run = {
        "id": "u1",
        "job": "report-1",
        "trigger": "Schedule",
        "state": "Failed",
        "startTime": "2026-11-23T02:00:00Z",
        "completionTime": "2026-11-23T02:01:30Z",
        "attempts": 4,
        "httpStatus": 500,
        "reason": "HTTPStatus",
        "message": "The server answered 500.",
    }
    shown = execution("team.report", run)
    assert (shown.status, shown.success, shown.duration, shown.attempt) == ("failed", False, 90, 4)
    assert shown.error_message == "The server answered 500."
    running = execution("x", {"id": "u2", "state": "Running", "trigger": "Manual"})
    assert (running.success, running.duration, running.attempt) == (None, None, 1)
    completed = execution("x", {**run, "state": "Completed", "bytes": 7})
    assert (completed.success, completed.content_size, completed.error_message) == (True, 7, None)


def test_settings() -> None:
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}PORT": "9000"})
    assert settings.bind == "127.0.0.1"  # nobody else, without a key
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}KEY_FILE": "/key"})
    assert (settings.bind, settings.port, settings.namespace) == ("0.0.0.0", 8080, "default")
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}AUTH": "kubernetes"})
    assert (settings.bind, settings.audience) == ("0.0.0.0", "download-operator")
    assert Settings.from_environment({f"{P}AUDIENCE": ""}).audience == ""
    assert f"{P}KEY_FILE" in help_text()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "http", "whole number"),
        ("NAMESPACE", "", "name a namespace"),
        ("AUTH", "none", "write key or kubernetes"),
        ("NAMESPACE", "Team A", "name a namespace or leave it out"),
        ("NAMESPACE", "team/../other", "name a namespace or leave it out"),
        ("NAMESPACE", "a" * 64, "name a namespace or leave it out"),
        ("AUTH", "key", "DOWNLOAD_API_KEY_FILE"),
        ("TOKEN", "x", "is not a setting"),
    ],
)
def test_bad_settings_say_what_to_write(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings.from_environment({f"{P}{name}": value})


def test_keys(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = KeyFile(file)
    assert not key.matches("Bearer ", "")  # no file yet: nobody gets in
    file.write_text("first\n")
    assert key.matches("Bearer first", None)
    assert key.matches("bearer first", None)
    assert key.matches(None, "first")
    for wrong in ("first ", "Basic first", "Bearer second", "Bearer", ""):
        assert not key.matches(wrong, None)
    assert not key.matches(None, "sécond")
    file.write_text("second")
    assert key.matches(None, "second")
    file.write_text("schlüssel à", "utf-8")
    sent = "schlüssel à".encode().decode("latin-1")  # as a client sends it, and Starlette reads it
    assert key.matches(f"Bearer {sent}", None)
    assert key.matches(None, sent)
    file.write_text("")
    assert not key.matches("Bearer ", None)


def test_the_log_says_once_why_no_key_is_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = KeyFile(tmp_path / "key")
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    (told,) = caplog.messages
    assert re.match("no API key is good.*No such file.*/key", told)
    (tmp_path / "key").write_text("\n")
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    assert caplog.messages[1:] == ["no API key is good, for the file of the key is empty"]


@pytest.mark.parametrize(
    ("status", "answer"), [(403, 403), (404, 404), (409, 409), (422, 422), (429, 503), (500, 503)]
)
def test_refusals_of_the_cluster(status: int, answer: int) -> None:
    assert of_cluster(ClusterError(status, "", "why")).status == answer


def test_requests_are_counted_by_the_time_that_they_took() -> None:
    traffic = Traffic()
    for seconds in (0.001, 0.005, 0.02, 99):
        traffic.count("GET", "/schedules", 204, seconds)
    traffic.count("BREW", None, 503, 0.3)
    told = traffic.histogram("seconds", "How long.").splitlines()
    assert told[:2] == ["# HELP seconds How long.", "# TYPE seconds histogram"]
    labels = 'method="GET",route="/schedules",status="2xx"'
    for bound, count in (("0.005", 2), ("0.01", 2), ("0.025", 3), ("10.0", 3), ("+Inf", 4)):
        assert f'seconds_bucket{{{labels},le="{bound}"}} {count}' in told
    assert f"seconds_sum{{{labels}}} 99.026" in told
    assert f"seconds_count{{{labels}}} 4" in told
    assert 'seconds_count{method="other",route="other",status="5xx"} 1' in told


def integers(model: type[BaseModel]) -> list[str]:
    return [name for name, of in model.model_fields.items() if of.annotation in (int, int | None)]


@pytest.mark.parametrize("shape", [NewSchedule, Request, Verify, Spec, model.Request, model.Verify])
def test_a_boolean_is_no_number(shape: type[BaseModel]) -> None:
    assert integers(shape)
    for name in integers(shape):
        for value in (False, True):
            with pytest.raises(ValidationError, match="write a whole number, not true or false"):
                shape.model_validate({**REQUIRED.get(shape, {}), name: value})


def test_a_sentence_about_many_members_has_an_end() -> None:
    nonsense = {f"{number}{'x' * 100_000}": 1 for number in range(1000)}
    with pytest.raises(ProblemError) as told:
        patched(resource(), nonsense)
    sentence = str(told.value)
    assert sentence.count("there is no such member") == 10
    assert sentence.endswith("; and 990 more")
    assert len(sentence) < 2000
