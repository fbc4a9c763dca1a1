"""What a server receives from an attempt whose task has templates."""

from typing import Any

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, redirect, respond
from tests.support.http_ranges import ranged, requested_ranges

DAY = "/nightly/2026/11/23"
PARIS: dict[str, Any] = {"time_zone": "Europe/Paris", "schedule": "0 3 * * *"}


def test_server_sees_the_day_of_the_run(pod: Pod, server: FaultServer) -> None:
    bodies: list[bytes] = []

    def record_body(exchange: Exchange) -> None:
        text = exchange.request.partition("\r\n\r\n")[2].encode("latin-1")
        bodies.append(text or exchange.connection.recv(100))
        respond(200, BODY)(exchange)

    template = "/{name}/{scheduled:%Y/%m/%d}?since={previous:%H:%M%z}&brace={{}}"
    rendered = f"{DAY}?since=03:00%2B0100&brace={{}}"
    server.on(DAY, record_body)
    attempt = pod.run(
        server.origin + template,
        headers={"X-Day": "{scheduled-1d:%a %-d}", "X-JSON": '{"a":{}}'},
        request={"method": "POST", "body": '{"day":"{scheduled:%s}","q":"{jobs{id}}"}'},
        path="{namespace}/{name}/{previous:%Y-%m-%d}/{scheduled:%H%M}.csv",
        **PARIS,
    )

    assert attempt.outcome == (EXIT_DONE, None), attempt.out
    assert server.requests[0].startswith(f"POST {rendered} HTTP/1.1\r\n")
    assert bodies == [b'{"day":"1795399200","q":"{jobs{id}}"}']
    assert list(pod.files()) == ["team/nightly/2026-11-22/0300.csv"]
    assert attempt.result.url == server.origin + rendered
    assert attempt.out.splitlines()[0] == f"POST {server.origin}{rendered}"


def test_header_of_a_request_is_filled_in(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY))
    headers = [
        {"name": "X-Day", "value": "{scheduled-1d:%a %-d} {x}"},
        {"name": "X-Secret", "variable": "DOWNLOAD_HEADER_1"},
    ]
    attempt = pod.run(
        url, request={"headers": headers}, DOWNLOAD_HEADER_1="{scheduled:%Y}", **PARIS
    )

    assert "X-Day: Sun 22 {x}\r\n" in server.requests[0]
    assert "X-Secret: {scheduled:%Y}\r\n" in server.requests[0]
    assert attempt.result.url is None
    assert "X-Day" not in attempt.out + attempt.err


def test_url_of_a_run_that_fails_is_reported(pod: Pod, server: FaultServer) -> None:
    server.on(DAY, respond(404))
    attempt = pod.run(server.origin + "/nightly/{scheduled:%Y/%m/%d}", **PARIS)
    assert attempt.outcome == (EXIT_PERMANENT, "HTTPStatus")
    assert attempt.result.url == server.origin + DAY


def test_attempts_of_one_tick_resume_one_another_and_other_ticks_start_again(
    pod: Pod, server: FaultServer
) -> None:
    server.on("/23", ranged(cut_after=1000))
    server.on("/24", ranged(cut_after=1000), ranged())
    url = server.origin + "/{scheduled:%d}"

    jobs = ("nightly-29923320", "nightly-29924760", "nightly-29924760")
    codes = [pod.run(url, **PARIS, DOWNLOAD_JOB=job).code for job in jobs]

    assert codes == [EXIT_RETRY, EXIT_RETRY, EXIT_DONE]
    assert requested_ranges(server) == [None, None, 999]


def test_file_of_another_day_is_not_asked_for_conditionally(pod: Pod, server: FaultServer) -> None:
    for day in ("23", "24"):
        server.on(f"/{day}", respond(200, BODY, 'ETag: "v1"'))
    url = server.origin + "/{scheduled:%d}"

    for job in ("nightly-29923320", "nightly-29924760", "nightly-29924760"):
        pod.run(url, only_if_changed=True, **PARIS, DOWNLOAD_JOB=job)

    conditional = ["If-None-Match: " in request for request in server.requests]
    assert conditional == [False, False, True]


def test_redirect_leads_from_the_url_of_the_run(pod: Pod, server: FaultServer) -> None:
    server.on("/2026/x", redirect("y"))
    server.on("/2026/y", respond(200, BODY))
    attempt = pod.run(server.origin + "/{scheduled:%Y}/x", **PARIS)
    assert attempt.code == EXIT_DONE
    assert attempt.result.url == server.origin + "/2026/x"


@pytest.mark.parametrize(
    "members",
    [
        {"path": "{namespace}/{name}/{scheduled:%Y/../../../other}/x"},
        {"path": "{scheduled:/%Y}"},
        {"path": "{scheduled:../%Y}/x", "free_path": True},
    ],
)
def test_path_that_leads_elsewhere_is_refused(
    pod: Pod, server: FaultServer, members: dict[str, Any]
) -> None:
    """The API server refuses such a template, so only a Pod of somebody else has one."""
    url = server.on("/x", respond(200, BODY))
    attempt = pod.run(url, time_zone="Etc/UTC", **members)
    assert attempt.outcome == (EXIT_PERMANENT, "InvalidPath"), attempt.out
    assert pod.files() == {}
