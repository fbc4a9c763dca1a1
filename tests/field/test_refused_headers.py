"""Servers that refuse what only the worker added to a request, and would serve a plain one."""

import gzip
import re
import signal
from dataclasses import replace
from functools import partial

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_RETRY, EXIT_STOPPED
from tests.support.attempts import Pod
from tests.support.field_reports import DONE, Report, failed, reproduce, retried
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    redirect,
    respond,
    response_head,
    send,
)
from tests.support.http_ranges import ranged, requested_ranges
from tools.cluster.kubectl import wait_for

V1 = 'ETag: "v1"'
V2 = b"another version\n"
HALF = len(BODY) // 2
CUT = send(response_head("200 OK", V1, f"Content-Length: {len(BODY)}") + BODY[:HALF])
RANGE = f"Range: bytes={HALF - 1}-"
REST = response_head("206 Part", V1, f"Content-Range: bytes {HALF - 1}-{len(BODY) - 1}/{len(BODY)}")
LONG_REST = REST[:-2] + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[HALF - 1 :]
LOST = retried("IncompleteBody")
ERRORS = [400, 401, 403, 404, 405, 406, 408, 410, 412, 416, 421, 429, 451, 500, 501, 502, 503, 504]
PLAIN = ("GET /x",)
OURS = ("Range:", "If-Range:", "If-None-Match:", "If-Modified-Since:", "Accept-Encoding:")
CHANGING = {"only_if_changed": True, "path": "{namespace}/{name}/x"}
COMPRESSED = {"request": {"compressed": True}}
POST = {"request": {"compressed": True, "method": "POST", "body": "a=1"}}


def refuse(header: str, refusal: Behaviour, otherwise: Behaviour) -> Behaviour:
    """Behave in one way where the request has this header, and in another where it has not."""

    def behave(exchange: Exchange) -> None:
        has_header = re.search(rf"^{header}:", exchange.request, re.MULTILINE | re.IGNORECASE)
        (refusal if has_header else otherwise)(exchange)

    return behave


def refused_range(
    source: str, situation: str, refusal: Behaviour, *, otherwise: Behaviour | None = None
) -> Report:
    """Return a report: a body is cut, and the request for its rest is refused."""
    return Report(
        source=source,
        situation=situation,
        server={"/x": [CUT, refuse("range", refusal, otherwise or respond(200))]},
        outcomes=(LOST, DONE),
        files=(BODY,),
        requests=(PLAIN, (RANGE, 'If-Range: "v1"'), PLAIN),
        absent=(OURS, (), OURS),
    )


def refused_condition(
    source: str,
    situation: str,
    refusal: Behaviour,
    *,
    validator: str = V1,
    condition: str = 'If-None-Match: "v1"',
) -> Report:
    """Return a report: the second run asks for news, which is refused, and there are some."""
    name = condition.partition(":")[0]
    return Report(
        source=source,
        situation=situation,
        server={"/x": [respond(200, BODY, validator), refuse(name, refusal, respond(200, V2))]},
        options=CHANGING,
        outcomes=(DONE, DONE),
        files=(V2,),
        requests=(PLAIN, (condition,), PLAIN),
        absent=(OURS, (), OURS),
    )


def no_condition(source: str, situation: str, *validators: str) -> Report:
    """Return a report: what the server says of the file is not fit for a condition."""
    return Report(
        source=source,
        situation=situation,
        server={"/x": [respond(200, BODY, *validators), respond(200, V2)]},
        options=CHANGING,
        outcomes=(DONE, DONE),
        files=(V2,),
        requests=(PLAIN, PLAIN),
        absent=(OURS, OURS),
    )


def refused_coding(source: str, situation: str, refusal: Behaviour) -> Report:
    """Return a report: a request for a compressed body is refused."""
    return Report(
        source=source,
        situation=situation,
        server={"/x": [refuse("accept-encoding", refusal, respond(200))]},
        options=COMPRESSED,
        files=(BODY,),
        requests=(("Accept-Encoding: gzip",), PLAIN),
        absent=((), OURS),
    )


def hang(exchange: Exchange) -> None:
    exchange.hang()


RANGES = [
    *(
        refused_range("bezzad/Downloader#220", f"a range is refused with {status}", respond(status))
        for status in ERRORS
    ),
    refused_range("RFC 9110, 14.2", "a range is refused with 202", respond(202)),
    refused_range("RFC 9110, 14.2", "a range is answered with 204", send(response_head(204))),
    refused_range("RFC 9110, 14.2", "a range is answered by an empty file", respond(200, b"")),
    refused_range("RFC 9110, 14.2", "a range is answered with 304", send(response_head(304))),
    refused_range("RFC 9110, 14.2", "the server hangs up at a range", send(b"")),
    refused_range(
        "RFC 9110, 14.2", "no byte follows the head of the rest", ranged(BODY, cut_after=0)
    ),
    refused_range("RFC 9110, 14.2", "a range is answered with rubbish", send(b"rubbish\r\n\r\n")),
    refused_range("RFC 9110, 14.2", "a range is answered by silence", hang),
    replace(
        refused_range("RFC 9110, 14.2", "a range leads into a loop of redirects", redirect("/x")),
        options={"request": {"maxRedirects": 0}},
    ),
    refused_range("RFC 9110, 14.2", "a range is redirected to no web address", redirect("ftp://x/")),
    refused_range(
        "ecmwf/open-ecpds#2",
        "a whole file with the status of one has a Content-Range",
        respond(200, BODY, f"Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}"),
    ),
    refused_range(
        "RFC 9110, 14.6",
        "a range is answered by parts",
        respond(206, b"--x", "Content-Type: multipart/byteranges; boundary=x", V1),
    ),
    Report(
        source="RFC 9110, 15.3.7",
        situation="the rest of a file comes without its type",
        server={"/x": [
            send(response_head(200, V1, "Content-Type: text/csv", f"Content-Length: {len(BODY)}")
                 + BODY[:HALF]),
            refuse("range", send(REST + BODY[HALF - 1 :]),
                   respond(200, BODY, "Content-Type: text/csv")),
        ]},
        options={"verify": {"contentTypes": ["text/csv"]}},
        outcomes=(LOST, DONE),
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 14.4",
        situation="the rest of a file is said to be as long as all of it",
        server={"/x": [CUT, refuse("range", send(LONG_REST), respond(200))]},
        options={"verify": {"maxBytes": len(BODY)}},
        outcomes=(LOST, DONE),
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 14.4",
        situation="no byte beyond the last one follows the head of the rest, twice",
        server={"/x": [CUT, refuse("range", ranged(BODY, cut_after=1), respond(200))]},
        outcomes=(LOST, LOST, LOST, DONE),
        files=(BODY,),
        requests=(PLAIN, (RANGE,), (RANGE,), PLAIN),
        absent=(OURS, (), (), OURS),
    ),
    Report(
        source="RFC 9110, 15.6.4",
        situation="a server that is down for a while does not cost the partial file",
        server={"/x": [CUT, *[respond(503)] * 6, send(REST + BODY[HALF - 1 :])]},
        outcomes=(LOST, *[retried("HTTPStatus", "503")] * 3, DONE),
        files=(BODY,),
        requests=(PLAIN, *[(RANGE,), PLAIN] * 3, (RANGE,)),
    ),
    Report(
        source="RFC 9110, 15.5.2",
        situation="credentials that have expired fail the plain request as well",
        server={"/x": [CUT, respond(401)]},
        outcomes=(LOST, failed("HTTPStatus", "401", "send credentials")),
        files=(),
        requests=(PLAIN, (RANGE,), PLAIN),
    ),
    Report(
        source="RFC 9110, 14.2",
        situation="where the plain request fails as well, its error is reported",
        server={"/x": [CUT, refuse("range", respond(403), respond(410))]},
        outcomes=(LOST, failed("HTTPStatus", "410", "choose another url")),
        files=(),
    ),
]  # fmt: skip

CONDITIONS = [
    *(
        refused_condition(
            "sabre-io/dav#49" if status == 412 else "RFC 9110, 13.1.2",
            f"a condition is refused with {status}",
            respond(status),
        )
        for status in ERRORS
    ),
    refused_condition("RFC 9110, 13.1.2", "the server hangs up at a condition", send(b"")),
    refused_condition("RFC 9110, 13.1.2", "a condition is answered by silence", hang),
    refused_condition("RFC 9110, 13.1.2", "a condition gets an empty file", respond(200, b"")),
    Report(
        source="RFC 9110, 13.1.2",
        situation="a file that has become empty is saved as such",
        server={"/x": [respond(200, BODY, V1), respond(200, b"")]},
        options=CHANGING,
        outcomes=(DONE, DONE),
        files=(b"",),
        requests=(PLAIN, ("If-None-Match",), PLAIN),
    ),
    refused_condition("RFC 9110, 13.1.2", "a condition gets 204", send(response_head(204))),
    refused_condition(
        "RssBandit/RssBandit#54",
        "a date is refused with 500",
        respond(500),
        validator="Last-Modified: Mon, 23 Nov 2026 02:00:00 GMT",
        condition="If-Modified-Since: Mon, 23 Nov 2026 02:00:00 GMT",
    ),
    Report(
        source="nodejs/release-cloudflare-worker#321",
        situation="412 where nothing has changed",
        server={
            "/x": [respond(200, BODY, V1), refuse("if-none-match", respond(412), respond(200))]
        },
        options=CHANGING,
        outcomes=(DONE, DONE),
        files=(BODY,),
        requests=(PLAIN, ("If-None-Match",), PLAIN),
    ),
    Report(
        source="RFC 9110, 13.1.2",
        situation="a condition of the schedule stays",
        server={"/x": [respond(412)]},
        options={"headers": {"If-None-Match": '"mine"'}},
        outcomes=(failed("HTTPStatus", "412"),),
        requests=(('If-None-Match: "mine"',),),
    ),
    Report(
        source="RFC 9110, 15.6.4",
        situation="a server that is down is asked once where nothing was added",
        server={"/x": [respond(503)]},
        options=CHANGING,
        outcomes=(retried("HTTPStatus", "503"),) * 2,
        requests=(PLAIN, PLAIN),
    ),
    *(
        no_condition(source, f"{value} is no date", f"Last-Modified: {value}")
        for source, value in [
            ("n0-computer/iroh#235", "0"),
            ("n0-computer/iroh#235", "-1"),
            ("fabric8-services/fabric8-wit#1067", "0001-01-01 00:00:00 +0000 UTC"),
            ("RssBandit/RssBandit#54", "Mon, 01 Jan 0001 00:00:00 GMT"),
            ("RFC 9110, 5.6.7", "now"),
            ("RFC 9110, 5.6.7", "2026-11-23T02:00:00Z"),
            ("RFC 9110, 5.6.7", "Mon, 30 Feb 2026 02:00:00 GMT"),
            ("RFC 9110, 5.6.7", "1795399200"),
            ("static-web-server/static-web-server#488", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("GoogleChrome/web.dev#4382", "Tue, 01 Jan 1980 00:00:01 GMT"),
        ]
    ),
    no_condition("RFC 9110, 13.1.2", "an asterisk is no ETag", "ETag: *"),
    no_condition("RFC 9110, 13.1.2", "a list is no ETag", 'ETag: "a", "b"'),
]

CODINGS = [
    *(
        refused_coding(
            "fastify/fastify-compress#85" if status == 406 else "RFC 9110, 12.5.3",
            f"a coding is refused with {status}",
            respond(status),
        )
        for status in [*ERRORS, 415]
    ),
    refused_coding("RFC 9110, 12.5.3", "the server hangs up at a coding", send(b"")),
    refused_coding(
        "RFC 9110, 12.5.3",
        "a body is in a coding that was not asked for",
        respond(200, b"x", "Content-Encoding: compress"),
    ),
    refused_coding(
        "RFC 9110, 12.5.3",
        "a body is not in the coding that it says",
        respond(200, BODY, "Content-Encoding: gzip"),
    ),
    refused_coding(
        "RFC 9110, 12.5.3",
        "no byte of a coded body follows its head",
        send(response_head(200, "Content-Encoding: gzip", "Content-Length: 1000")),
    ),
    Report(
        source="fastify/fastify-compress#85",
        situation="a coding that the schedule asks for stays",
        server={"/x": [respond(406)]},
        options={"request": {
            "compressed": True, "headers": [{"name": "accept-encoding", "value": "gzip"}],
        }},
        outcomes=(failed("HTTPStatus", "406"),),
        requests=(("accept-encoding: gzip",),),
    ),
    Report(
        source="RFC 9110, 12.5.3",
        situation="a page is asked for again without a coding",
        server={"/x": [refuse("accept-encoding", respond(500),
                              respond(200, b"<html>x", "Content-Type: text/html"))]},
        options={"file_format": "html"},
        requests=(("Accept-Encoding",), PLAIN),
    ),
    Report(
        source="RFC 9110, 12.5.3",
        situation="the plain answer may be packed nevertheless",
        server={"/x": [refuse("accept-encoding", respond(406),
                              respond(200, gzip.compress(BODY), "Content-Encoding: gzip"))]},
        options=COMPRESSED,
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 9.2.2",
        situation="a form that was refused is sent again without a coding",
        server={"/x": [refuse("accept-encoding", respond(406), respond(200))]},
        options=POST,
        files=(BODY,),
        requests=(("POST", "Accept-Encoding"), ("POST",)),
    ),
    *(
        Report(
            source="RFC 9110, 9.2.2",
            situation=f"a form that may have been carried out is sent once: {name}",
            server={"/x": [refuse("accept-encoding", refusal, respond(200))]},
            options=POST,
            outcomes=(outcome,),
            requests=(("POST", "Accept-Encoding"),),
        )
        for name, refusal, outcome in [
            ("500", respond(500), retried("HTTPStatus")),
            ("hung up", send(b""), retried("ConnectionLost")),
        ]
    ),
]  # fmt: skip

REPORTS = [*RANGES, *CONDITIONS, *CODINGS]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    pod.stall_seconds = 1
    reproduce(report, pod, server)


def _has_requests(server: FaultServer, number: int) -> bool:
    return len(server.requests) == number


def test_range_that_only_hangs_is_given_up_after_two_attempts(
    pod: Pod, server: FaultServer
) -> None:
    """Where a run ends before the server is silent for long enough, nobody asks plainly."""
    url = server.on("/x", CUT, refuse("range", hang, respond(200)))
    assert pod.run(url).code == EXIT_RETRY
    for number in (2, 3):
        process = pod.start(url)
        wait_for("the request", partial(_has_requests, server, number))
        process.send_signal(signal.SIGTERM)
        assert pod.finish(process).code == EXIT_STOPPED
    assert pod.run(url).code == EXIT_DONE
    assert requested_ranges(server) == [None, HALF - 1, HALF - 1, None]
    assert list(pod.files().values()) == [BODY]
