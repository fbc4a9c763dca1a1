"""What an attempt fetches, sends and names when its task has templates."""

from datetime import UTC, datetime
from typing import Any

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.spec import Spec, read_spec
from tests.support.attempts import REQUEST, pod_environment

NOW = datetime(2026, 11, 23, 19, 30, 12, 500_000, tzinfo=UTC)


def read(job: str = "nightly-29923320", secret: str = "", **members: Any) -> Spec:
    task = {"timeZone": "Europe/Paris", **members}
    variables = {"DOWNLOAD_JOB": job, "DOWNLOAD_HEADER_1": secret}
    return read_spec({**pod_environment(**task), **variables}, NOW)


def test_url_body_and_headers_are_filled_in() -> None:
    headers = [
        {"name": "If-Modified-Since", "value": "{scheduled-1d:%a, %d %b %Y}"},
        {"name": "Authorization", "variable": "DOWNLOAD_HEADER_1"},
    ]
    body = '{"day":"{scheduled:%Y-%m-%d}","x":{}}'
    request = {**REQUEST, "method": "POST", "body": body, "headers": headers}
    url = "http://h/{namespace}/{name}?t={scheduled:%H:%M%z}"

    spec = read(secret="{scheduled:%Y}", url=url, request=request)

    assert spec.request.http.url == "http://h/team/nightly?t=03:00%2B0100"
    assert spec.url_of_run == spec.task.url == spec.request.http.url
    assert spec.request.http.body == b'{"day":"2026-11-23","x":{}}'
    assert spec.request.http.headers == (
        ("If-Modified-Since", "Sun, 22 Nov 2026"),
        ("Authorization", "{scheduled:%Y}"),
    )


def test_url_without_placeholders_is_not_reported() -> None:
    request = {**REQUEST, "headers": [{"name": "A", "value": "{scheduled}"}]}
    spec = read(url="http://h/x", request=request)
    assert spec.url_of_run is None
    assert spec.request.http.headers == (("A", "20261123T020000Z"),)


def test_task_without_a_zone_is_sent_as_it_is() -> None:
    url = "http://h/{scheduled}/{x"
    request = {**REQUEST, "body": "{scheduled}", "headers": [{"name": "A", "value": "{previous}"}]}
    spec = read(url=url, request=request, timeZone=None)
    assert spec.url_of_run is None
    assert spec.request.http.url == url
    assert (spec.request.http.body, spec.request.http.headers) == (
        b"{scheduled}",
        (("A", "{previous}"),),
    )


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("nightly-29923320", "20261123T020000Z/20261120T180000Z"),
        ("nightly-run-now", "20261123T193012Z/20261123T180000Z"),
    ],
)
def test_tick_before_is_that_of_the_expression(job: str, expected: str) -> None:
    """19:00 in Paris on working days; 23 November is a Monday. A run by hand has its start."""
    url = "http://h/{scheduled}/{previous}"
    spec = read(job, url=url, schedule="0 19 * * 1-5")
    assert spec.request.http.url == f"http://h/{expected}"


def test_templates_have_the_tick_that_a_run_was_asked_for() -> None:
    variables = pod_environment(
        url="http://h/{scheduled:%Y-%m-%d}/{previous:%d}",
        timeZone="Europe/Paris",
        schedule="0 19 * * 1-5",
    )
    tick = {"DOWNLOAD_JOB": "nightly-5d41402abc", "DOWNLOAD_TICK": "2020-02-28T18:00:00Z"}
    assert read_spec({**variables, **tick}, NOW).request.http.url == "http://h/2020-02-28/27"


def test_tick_before_falls_on_the_tick_itself_by_no_second() -> None:
    spec = read("nightly-29923320", url="http://h/{previous:%d %H}", schedule="0 3 * * *")
    assert spec.request.http.url == "http://h/22%2003"


@pytest.mark.parametrize(
    "members",
    [
        {"url": "http://h/{scheduled"},
        {"url": "http://h/{filename}"},
        {"url": "http://h/{scheduled:%Q}"},
        {"request": {**REQUEST, "body": "{scheduled-1}"}},
        {"url": "http://h/{previous}"},
        {"url": "http://h/{previous}", "schedule": "99 * * * *"},
        *({"timeZone": zone} for zone in ("Mars/Olympus", "../../etc/passwd", "", "/", "a\0b")),
    ],
)
def test_template_of_another_operator_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(DownloadError, match="image of the operator's own version") as caught:
        read(**members)
    assert caught.value.reason is Reason.INVALID_SPEC


def test_path_of_another_operator_is_refused() -> None:
    with pytest.raises(DownloadError, match="image of the operator's own version"):
        read().fill_template("{scheduled:%Q}", "x.csv")
