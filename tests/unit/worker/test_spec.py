"""The environment of a container, as the operator writes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_schedule.attempt.task import Method, Volume
from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Request
from download_worker.spec import S3Target, Spec
from download_worker.spec import read_spec as read_spec_at
from tests.support.attempts import REQUEST, VERIFY, WAIT_FOR, pod_environment, policy

NOW = datetime(2026, 11, 23, 19, 30, 12, tzinfo=UTC)
PATH = "{namespace}/{name}/{scheduled}-{filename}"
ON_VOLUME = {"volume": {"claimName": "data", "path": PATH}}
SECRET_HEADER = {"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def read_spec(variables: dict[str, str]) -> Spec:
    return read_spec_at(variables, NOW)


def in_bucket(key: str = "k") -> dict[str, Any]:
    secret = {"name": "keys"}
    return {"s3": {"bucket": "b", "region": "r", "credentialsSecretRef": secret, "key": key}}


def assert_refused(variables: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match="image of the operator's own version") as caught:
        read_spec(variables)
    assert caught.value.reason is Reason.INVALID_SPEC
    assert caught.value.permanent


def test_request_and_destination_are_read() -> None:
    headers = [{"name": "B", "value": "1"}, {"name": "A", "value": ""}]
    variables = pod_environment(
        url="https://example.com/x",
        request={**REQUEST, "headers": headers},
        destination=ON_VOLUME,
    )

    ranges = {
        "DOWNLOAD_WORKER_ALLOW_CIDRS": "10.0.0.0/8, fd00::/8:443",
        "DOWNLOAD_WORKER_DENY_CIDRS": "10.0.0.5/32:6443",
        "DOWNLOAD_WORKER_ALLOW_PORTS": "81,82",
    }
    spec = read_spec({**variables, **ranges})

    assert spec.request.http == Request("https://example.com/x", (("B", "1"), ("A", "")))
    assert spec.destination == Volume("data", PATH)
    assert spec.request.connection.egress == policy(
        "10.0.0.0/8", "fd00::/8:443", denied=("10.0.0.5/32:6443",), ports=(81, 82)
    )


def test_discarding_needs_no_destination() -> None:
    variables = pod_environment(destination={"discard": {}})
    spec = read_spec({**variables, "DOWNLOAD_WORKER_ALLOW_CIDRS": ""})
    assert spec.destination is None
    assert spec.request.connection.egress == policy()


def test_options_of_request_and_verify_are_read() -> None:
    request = {
        **REQUEST,
        "method": "POST",
        "body": "é",
        "headers": [SECRET_HEADER],
        "compressed": True,
        "connectTimeoutSeconds": 3,
        "stallTimeoutSeconds": 4,
        "maxRedirects": 0,
    }
    verify = {"sha256": "a" * 64, "minBytes": 1, "maxBytes": 2, "contentTypes": ["text/*"]}
    variables = pod_environment(request=request, verify=verify)

    download = read_spec({**variables, "DOWNLOAD_HEADER_0": "Bearer x\n"}).request

    headers = (("Authorization", "Bearer x"),)
    assert download.http == Request("http://127.0.0.1/", headers, Method.POST, "é".encode())
    assert download.connection.connect_timeout_seconds == 3
    assert download.connection.stall_timeout_seconds == 4
    assert download.compressed
    assert (download.max_redirects, download.min_bytes, download.max_bytes) == (0, 1, 2)
    assert (download.sha256, download.content_types) == ("a" * 64, ("text/*",))


@pytest.mark.parametrize(
    ("file_format", "compressed"),
    [
        ("raw", False),
        ("json", False),
        *((name, True) for name in ("html", "text", "markdown", "pdf")),
    ],
)
def test_pages_are_always_asked_for_compressed(file_format: str, compressed: bool) -> None:
    assert read_spec(pod_environment(format=file_format)).request.compressed == compressed


@pytest.mark.parametrize("value", ["a\nb", "ü"])
def test_secret_that_is_not_a_header_value_is_refused_and_not_quoted(value: str) -> None:
    variables = pod_environment(request={**REQUEST, "headers": [SECRET_HEADER]})
    with pytest.raises(DownloadError, match="Authorization is not printable ASCII") as caught:
        read_spec({**variables, "DOWNLOAD_HEADER_0": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "run", "time_zone"),
    [
        ("latest", None, None),
        ("{scheduled}-{filename}", "5b1c9b1e", None),
        ("{scheduled}-{filename}", "5b1c9b1e", "Etc/UTC"),
        ("{scheduled:%Y-%m-%d}-{filename}", None, "Etc/UTC"),
        ("{{scheduled}}-{previous}", None, "Etc/UTC"),
    ],
)
def test_object_belongs_to_one_run_if_its_key_has_the_tick(
    key: str, run: str | None, time_zone: str | None
) -> None:
    task = pod_environment(destination=in_bucket(key), timeZone=time_zone)
    spec = read_spec({**task, **CREDENTIALS})
    assert isinstance(spec.destination, S3Target)
    assert (spec.destination.key, spec.destination.run) == (key, run)


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (CREDENTIALS, CREDENTIALS),
        ({**CREDENTIALS, "AWS_SESSION_TOKEN": " t\n"}, {**CREDENTIALS, "AWS_SESSION_TOKEN": "t"}),
    ],
)
def test_credentials_are_read(credentials: dict[str, str], expected: dict[str, str]) -> None:
    spec = read_spec({**pod_environment(destination=in_bucket()), **credentials})
    assert isinstance(spec.destination, S3Target)
    assert spec.destination.bucket.credentials == expected


@pytest.mark.parametrize(
    "members",
    [
        {"destination": {"gcs": {}}},
        {"destination": {"volume": {"claimName": "data"}}},
        {"format": "docx"},
        {"request": {**REQUEST, "headers": ["Accept"]}},
        {"verify": {**VERIFY, "maxBytes": "many"}},
        {"verify": {**VERIFY, "contains": ["date;"]}},
    ],
)
def test_task_of_a_later_operator_is_refused(members: dict[str, object]) -> None:
    assert_refused(pod_environment(**members))


@pytest.mark.parametrize(
    "variable", ["DOWNLOAD_SPEC", "DOWNLOAD_JOB", "DOWNLOAD_RUN", *CREDENTIALS]
)
def test_missing_variable_is_refused(variable: str) -> None:
    variables = {**pod_environment(destination=in_bucket()), **CREDENTIALS}
    assert read_spec(variables)
    assert_refused({name: value for name, value in variables.items() if name != variable})


@pytest.mark.parametrize("text", ["", "[]", '"x"', "{", "null"])
def test_invalid_document_is_refused(text: str) -> None:
    assert_refused({**pod_environment(), "DOWNLOAD_SPEC": text})


@pytest.mark.parametrize("ranges", ["10.0.0.1/8", "all", "10.0.0.0/8:0"])
@pytest.mark.parametrize("variable", ["ALLOW_CIDRS", "DENY_CIDRS"])
def test_invalid_ranges_are_refused(variable: str, ranges: str) -> None:
    assert_refused({**pod_environment(), f"DOWNLOAD_WORKER_{variable}": ranges})


@pytest.mark.parametrize("ports", ["0", "65536", "http", "80-90"])
def test_invalid_ports_are_refused(ports: str) -> None:
    assert_refused({**pod_environment(), "DOWNLOAD_WORKER_ALLOW_PORTS": ports})


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
    spec = read_spec({**pod_environment(), "DOWNLOAD_JOB": job})
    assert spec.fill_template(PATH, "x.csv") == f"team/nightly/{scheduled}-x.csv"


@pytest.mark.parametrize("job", ["nightly-29923320", "nightly-5d41402abc"])
@pytest.mark.parametrize("tick", ["2026-11-20T02:00:00Z", "1970-01-01T00:00:00+00:00"])
def test_tick_that_a_run_was_asked_for_comes_before_the_name(job: str, tick: str) -> None:
    variables = {**pod_environment(), "DOWNLOAD_JOB": job, "DOWNLOAD_TICK": tick}
    assert read_spec(variables).tick == datetime.fromisoformat(tick)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-20T02:00:00", "2026-11-20T02:00:00+01:00", "1969-12-31T23:59:59Z"],
)
def test_tick_of_another_operator_is_refused(text: str) -> None:
    assert_refused({**pod_environment(), "DOWNLOAD_TICK": text})


def test_placeholder_in_a_filename_is_not_filled_in() -> None:
    spec = read_spec(pod_environment())
    assert spec.fill_template("{filename}", "{name}") == "{name}"


@pytest.mark.parametrize(
    ("job", "members", "seconds"),
    [
        ("nightly-29923320", {}, 3600),
        ("nightly-29923320", {"activeDeadlineSeconds": 301}, 301),
        ("nightly-29923320", {"activeDeadlineSeconds": 300}, 600),
        ("nightly-by-hand", {"activeDeadlineSeconds": 60}, 360),
    ],
)
def test_deadline_counts_from_the_tick_or_the_start(
    job: str, members: dict[str, Any], seconds: int
) -> None:
    tick = datetime(2026, 11, 23, 2, tzinfo=UTC)
    started = tick + timedelta(minutes=5)
    spec = read_spec_at(pod_environment(**members) | {"DOWNLOAD_JOB": job}, started)
    assert spec.deadline(started) == tick + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("wait_for", "run"),
    [(None, None), ({"until": "Exists"}, None), ({"until": "Changed"}, "5b1c9b1e")],
)
def test_run_that_waits_for_a_change_is_known(
    wait_for: dict[str, Any] | None, run: str | None
) -> None:
    spec = read_spec(pod_environment(waitFor=wait_for and {**WAIT_FOR, **wait_for}))
    assert spec.awaits_change_for == run
    assert spec.request.late_statuses == ((404,) if wait_for else ())


def test_run_that_waits_for_a_change_needs_its_identity() -> None:
    variables = pod_environment(waitFor={**WAIT_FOR, "until": "Changed"})
    del variables["DOWNLOAD_RUN"]
    assert_refused(variables)


def test_path_and_templates_of_one_tick_agree() -> None:
    """A task without a zone has only what both know, and loads no module for it."""
    without, with_zone = (
        read_spec(pod_environment(timeZone=time_zone)) for time_zone in (None, "Asia/Tokyo")
    )
    assert without.templates is None
    assert with_zone.templates is not None
    assert without.fill_template(PATH, "x{}.csv") == with_zone.fill_template(PATH, "x{}.csv")


@pytest.mark.parametrize("path", ["{scheduled:%Y/../..}/x", "/{scheduled:%Y}", "{scheduled:./%Y}"])
def test_part_that_leads_elsewhere_is_refused_after_it_is_filled_in(path: str) -> None:
    spec = read_spec(pod_environment(timeZone="Etc/UTC"))
    with pytest.raises(DownloadError, match="leave it out") as caught:
        spec.fill_template(path, "x.csv")
    assert caught.value.reason is Reason.INVALID_PATH
