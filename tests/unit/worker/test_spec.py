"""The environment of a container, as the operator writes it."""

import json
from datetime import UTC, datetime

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.redirects import Request
from download_worker.spec import Volume, read

NOW = datetime(2026, 11, 23, 19, 30, 12, tzinfo=UTC)
REQUEST = {
    "method": "GET",
    "headers": [],
    "compressed": False,
    "connectTimeoutSeconds": 10,
    "stallTimeoutSeconds": 30,
    "maxRedirects": 5,
}
VERIFY = {"minBytes": 0, "maxBytes": 100, "contentTypes": []}
VOLUME = {"volume": {"claimName": "data", "path": "{namespace}/{name}/{scheduled}-{filename}"}}


def environment(**changes: object) -> dict[str, str]:
    headers = [{"name": "B", "value": "1"}, {"name": "A", "value": ""}]
    spec = {
        "namespace": "team",
        "name": "nightly",
        "url": "https://example.com/x",
        "format": "raw",
        "request": {**REQUEST, "headers": headers},
        "verify": VERIFY,
        "onlyIfChanged": False,
        "keepLast": None,
    }
    return {
        "DOWNLOAD_SPEC": json.dumps({**spec, "destination": VOLUME, **changes}),
        "DOWNLOAD_JOB": "nightly-29923320",
        "DOWNLOAD_RUN": "5b1c9b1e",
    }


def test_all_of_it_is_read() -> None:
    spec = read({**environment(), "DOWNLOAD_WORKER_ALLOW_CIDRS": "10.0.0.0/8, fd00::/8"})
    assert spec.order.request == Request("https://example.com/x", (("B", "1"), ("A", "")))
    assert spec.volume == Volume("data", VOLUME["volume"]["path"])
    assert [str(net) for net in spec.order.limits.allowed] == ["10.0.0.0/8", "fd00::/8"]


def test_discarding_needs_no_volume() -> None:
    spec = read({**environment(destination={"discard": {}}), "DOWNLOAD_WORKER_ALLOW_CIDRS": ""})
    assert spec.volume is None
    assert spec.order.limits.allowed == ()


def test_what_to_ask_and_what_to_insist_on_is_read() -> None:
    request = {
        **REQUEST,
        "method": "POST",
        "body": "é",
        "headers": [{"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}],
        "compressed": True,
        "connectTimeoutSeconds": 3,
        "stallTimeoutSeconds": 4,
        "maxRedirects": 0,
    }
    verify = {"sha256": "a" * 64, "minBytes": 1, "maxBytes": 2, "contentTypes": ["text/*"]}
    variables = environment(request=request, verify=verify)
    order = read({**variables, "DOWNLOAD_HEADER_0": "Bearer x\n"}).order
    headers = (("Authorization", "Bearer x"),)
    assert order.request == Request("https://example.com/x", headers, "POST", "é".encode())
    assert (order.limits.connect_seconds, order.limits.stall_seconds) == (3, 4)
    assert order.compressed
    assert (order.max_redirects, order.min_bytes, order.max_bytes) == (0, 1, 2)
    assert (order.sha256, order.content_types) == ("a" * 64, ("text/*",))


@pytest.mark.parametrize(
    ("form", "compressed"),
    [
        ("raw", False),
        ("json", False),
        *((form, True) for form in ("html", "text", "markdown", "pdf")),
    ],
)
def test_pages_are_asked_for_in_any_encoding(form: str, compressed: bool) -> None:
    assert read(environment(format=form)).order.compressed == compressed


@pytest.mark.parametrize("value", ["a\nb", "ü"])
def test_a_secret_that_is_no_header_is_refused_and_not_told(value: str) -> None:
    header = {"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}
    variables = environment(request={**REQUEST, "headers": [header]})
    with pytest.raises(DownloadError, match="Authorization is not printable ASCII") as caught:
        read({**variables, "DOWNLOAD_HEADER_0": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"destination": {"s3": {"bucket": "b"}}},
        {"destination": {}},
        {"destination": []},
        {"destination": {"volume": {"claimName": "data"}}},
        {"format": "docx"},
        {"request": {**REQUEST, "headers": ["Accept"]}},
        {"request": {**REQUEST, "headers": 3}},
    ],
)
def test_what_a_later_operator_may_ask_is_refused_rather_than_done_by_half(
    changes: dict[str, object],
) -> None:
    refused(environment(**changes))


@pytest.mark.parametrize("variable", environment())
def test_every_variable_is_needed(variable: str) -> None:
    bucket = {"bucket": "b", "region": "r", "credentialsSecretRef": {"name": "s"}, "key": "k"}
    whole = environment(destination={"s3": bucket})
    assert read(whole)
    refused({name: value for name, value in whole.items() if name != variable})


@pytest.mark.parametrize("text", ["", "[]", '"x"', "{", "null"])
def test_what_is_no_document_is_refused(text: str) -> None:
    refused({**environment(), "DOWNLOAD_SPEC": text})


@pytest.mark.parametrize("ranges", ["10.0.0.1/8", "all"])
def test_bad_ranges_are_refused(ranges: str) -> None:
    refused({**environment(), "DOWNLOAD_WORKER_ALLOW_CIDRS": ranges})


@pytest.mark.parametrize(
    ("job", "scheduled"),
    [
        ("nightly-29923320", "20261123T020000Z"),
        ("nightly-2992372", "20261123T193012Z"),
        ("nightly-run-now", "20261123T193012Z"),
        ("nightly-299233200", "20261123T193012Z"),
        ("nightly-20261123", "20261123T193012Z"),
        ("nightly-30112026", "20261123T193012Z"),
        ("nightly-29925810", "20261124T193000Z"),
        ("nightly-29925811", "20261123T193012Z"),
    ],
)
def test_scheduled_is_the_tick_or_the_start(job: str, scheduled: str) -> None:
    spec = read({**environment(), "DOWNLOAD_JOB": job})
    assert spec.volume
    assert spec.path(spec.volume.path, "x.csv", NOW) == f"team/nightly/{scheduled}-x.csv"


def test_placeholders_in_a_file_name_are_not_filled_in() -> None:
    spec = read(environment())
    assert spec.path("{filename}", "{name}", NOW) == "{name}"


def refused(variables: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match="image of the operator's own version") as caught:
        read(variables)
    assert caught.value.reason is Reason.INVALID_SPEC
    assert caught.value.permanent
