"""Statuses that are neither a plain success nor a plain failure."""

import signal
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_STOPPED
from tests.support.attempts import Pod, fetch
from tests.support.field_reports import DONE, Report, failed, reproduce, retried
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    respond,
    response_head,
    send,
)
from tests.support.http_ranges import ranged, requested_ranges
from tools.cluster.kubectl import wait_for

CHANGING = {"path": "{namespace}/{name}/x"}
FIVE = b"12345"
NOT_WHOLE = retried("BadResponse", "a part of the file")
ERROR = retried("HTTPStatus")


def part(content_range: str, *headers: str, body: bytes = FIVE) -> Behaviour:
    return respond(206, body, f"Content-Range: {content_range}", *headers)


def later(status: int, retry_after: str, *headers: str) -> Behaviour:
    return respond(status, b"later", f"Retry-After: {retry_after}", *headers)


def in_two_seconds(exchange: Exchange) -> None:
    """Respond 503 with a date, by a clock that is a day ahead."""
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    then = now + timedelta(seconds=2)
    later(
        503,
        format_datetime(then, usegmt=True),
        f"Date: {format_datetime(now, usegmt=True)}",
    )(exchange)


def waits(source: str, situation: str, answer: Behaviour) -> Report:
    """Return a report: the same attempt gets the file after the wait."""
    return Report(
        source=source,
        situation=situation,
        server={"/x": [answer, respond(200)]},
        files=(BODY,),
        requests=(("GET /x",), ("GET /x",)),
    )


ACCEPTED = [
    Report(
        source="RFC 9110, 15.3.3",
        situation="202 is not the file, and the old file stays",
        server={"/x": [respond(200), respond(202, b"in the queue")]},
        options=CHANGING,
        outcomes=(DONE, retried("HTTPStatus", "202 Accepted", "still preparing")),
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 15.3.3",
        situation="202 until the file is ready",
        server={"/x": [respond(202, b""), respond(202, b""), respond(200)]},
        outcomes=(ERROR, ERROR, DONE),
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 15.3.3",
        situation="202 to a form that is being worked on",
        server={"/x": [respond(202, b"{}")]},
        options={"request": {"method": "POST", "body": "a=1", "compressed": True}},
        outcomes=(ERROR,),
        files=(),
        requests=(("POST /x",),),
    ),
    *(
        Report(
            source="RFC 9110, 15.3",
            situation=f"{status} is a success as it always was",
            server={"/x": [answer]},
            files=(body,),
        )
        for status, answer, body in [
            (203, respond(203), BODY),
            (204, send(response_head(204)), b""),
            (200, respond(200, b""), b""),
        ]
    ),
]

PARTS = [
    *(
        Report(
            source="RFC 9110, 15.3.7",
            situation=f"206 with {content_range!r} and five bytes is whole",
            server={"/x": [part(content_range)]},
            files=(FIVE,),
        )
        for content_range in ("bytes 0-4/5", "Bytes 0-4/5")
    ),
    Report(
        source="RFC 9110, 15.3.7",
        situation="206 that is whole and has no Content-Length",
        server={"/x": [send(response_head(206, "Content-Range: bytes 0-4/5") + FIVE)]},
        files=(FIVE,),
    ),
    *(
        Report(
            source="RFC 9110, 14.4",
            situation=f"206 with {content_range!r} is not provably whole",
            server={"/x": [part(content_range)]},
            outcomes=(NOT_WHOLE,),
            files=(),
        )
        for content_range in (
            "bytes 0-4/6",
            "bytes 1-5/6",
            "bytes */5",
            "bytes 0-4/*",
            "bytes=0-4/5",
            "items 0-4/5",
            "rubbish",
        )
    ),
    Report(
        source="RFC 9110, 15.3.7",
        situation="206 without a Content-Range is not provably whole",
        server={"/x": [respond(206, FIVE)]},
        outcomes=(NOT_WHOLE,),
        files=(),
    ),
    Report(
        source="RFC 9110, 14.6",
        situation="206 with several parts is not the file",
        server={"/x": [part("bytes 0-4/5", "Content-Type: multipart/byteranges; boundary=x")]},
        outcomes=(NOT_WHOLE,),
        files=(),
    ),
    *(
        Report(
            source="RFC 9110, 15.3.7",
            situation=f"206 that says five bytes and has {len(body)}",
            server={"/x": [part("bytes 0-4/5", body=body)]},
            options=CHANGING,
            outcomes=(retried("IncompleteBody"),),
            files=(),
        )
        for body in (b"1234", b"123456", b"")
    ),
    Report(
        source="RFC 9110, 15.3.7",
        situation="a page in a whole 206",
        server={"/x": [part("bytes 0-6/7", "Content-Type: text/html", body=b"<html>x")]},
        options={"file_format": "html"},
    ),
]

LATER = [
    waits("RFC 6585, 4", "429 with seconds", later(429, "1")),
    waits("RFC 9110, 10.2.3", "503 with a date by another clock", in_two_seconds),
    waits("sindresorhus/got#508", "413 that is temporary", later(413, "1")),
    waits("RFC 9110, 15.3.3", "202 with seconds", later(202, "1")),
    waits("RFC 9110, 10.2.3", "500 with seconds", later(500, "1")),
    *(
        Report(
            source="curl/curl#7675",
            situation=f"a wait of {seconds} seconds does not fit",
            server={"/x": [later(429, seconds)]},
            outcomes=(failed("HTTPStatus", "429 Too Many Requests", f" {shown} seconds", "UTC"),),
            requests=(("GET /x",),),
        )
        for seconds, shown in [("3600", "3600"), ("901", "901"), ("9" * 400, "31536000")]
    ),
    Report(
        source="curl/curl#7675",
        situation="a wait that does not fit leaves the file and the partial file",
        server={
            "/x": [
                ranged(BODY, cut_after=1000),
                later(503, "3600"),
                later(503, "3600"),
                ranged(BODY),
            ]
        },
        outcomes=(retried("IncompleteBody"), failed("HTTPStatus", "3600 seconds"), DONE),
        files=(BODY,),
        requests=(("GET",), ("Range: bytes=999-",), ("GET",), ("Range: bytes=999-",)),
    ),
    *(
        Report(
            source="RFC 9110, 10.2.3",
            situation=f"Retry-After: {value!r} asks for no wait",
            server={"/x": [later(503, value)]},
            outcomes=(retried("HTTPStatus", "503", "another attempt may succeed"),),
            requests=(("GET /x",),),
        )
        for value in ("", "0", "-1", "1.5", "soon", "1, 1", "Mon, 23 Nov 2020 12:00:00 GMT")
    ),
    *(
        Report(
            source="RFC 9110, 10.2.3",
            situation=f"{status} does not come to an end by waiting",
            server={"/x": [later(status, "1")]},
            outcomes=(failed("HTTPStatus", str(status)),),
            requests=(("GET /x",),),
        )
        for status in (400, 404, 410)
    ),
    Report(
        source="RFC 9110, 10.2.3",
        situation="a server that asks for wait after wait is left to the next attempt",
        server={"/x": [later(503, "1")]},
        outcomes=(retried("HTTPStatus", "503", "1 second"),),
        requests=(("GET /x",),) * 6,
    ),
    Report(
        source="RFC 6585, 4",
        situation="after the wait the rest is asked for again",
        server={
            "/x": [ranged(BODY, cut_after=1000), later(429, "1"), later(429, "1"), ranged(BODY)]
        },
        outcomes=(retried("IncompleteBody"), DONE),
        files=(BODY,),
        requests=(("GET",), ("Range: bytes=999-",), ("GET",), ("Range: bytes=999-",)),
    ),
]

REPORTS = [*ACCEPTED, *PARTS, *LATER]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)


def test_wait_is_logged_and_ends_with_the_process(pod: Pod, server: FaultServer) -> None:
    process = pod.start(server.on("/x", later(503, "600")))
    wait_for("the request", lambda: len(server.requests) == 1)
    assert process.stdout
    assert process.stdout.readline().startswith("GET ")
    line = process.stdout.readline()
    assert "503 Service Unavailable and asks to come back in 600 seconds" in line
    assert line.endswith("Waiting for 600 seconds.\n")
    process.send_signal(signal.SIGTERM)
    attempt = pod.finish(process)
    assert attempt.outcome == (EXIT_STOPPED, "Stopped")


def test_nothing_is_held_while_an_attempt_waits(pod: Pod, server: FaultServer) -> None:
    """Another run of the schedule resumes and saves the file in the meantime."""
    url = server.on(
        "/x", ranged(BODY, cut_after=1000), later(503, "600"), later(503, "600"), ranged(BODY)
    )
    pod.run(url)
    waiting = pod.start(url)
    wait_for("the requests", lambda: len(server.requests) == 3)
    assert waiting.stdout
    while "Waiting" not in waiting.stdout.readline():
        pass
    assert pod.run(url).code == EXIT_DONE
    assert requested_ranges(server) == [None, 999, None, 999]
    waiting.terminate()
    assert pod.finish(waiting).code == EXIT_STOPPED
    assert list(pod.files().values()) == [BODY]


def test_deadline_of_the_run_limits_the_wait(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", later(429, "60"))
    attempt = pod.run(url, DOWNLOAD_JOB="nightly-by-hand", active_deadline_seconds=60)
    assert attempt.outcome == (EXIT_PERMANENT, "HTTPStatus")
    assert "raise activeDeadlineSeconds" in (attempt.result.message or "")


def test_command_line_waits(server: FaultServer, tmp_path: Path) -> None:
    output = tmp_path / "x"
    attempt = fetch(server.on("/x", later(429, "1"), respond(200)), output)
    assert attempt.code == EXIT_DONE
    assert "Waiting for 1 second." in attempt.err
    assert output.read_bytes() == BODY
    attempt = fetch(server.on("/x", later(429, "3600")), output)
    assert (attempt.code, "3600 seconds" in (attempt.result.message or "")) == (
        EXIT_PERMANENT,
        True,
    )
