"""Headers that come on several lines, or as a list where one value is due."""

import gzip
from typing import Any

import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import Outcome, Report, failed, reproduce, retried
from tests.support.http_faults import BODY, Behaviour, FaultServer, respond, response_head, send

CSV = b"a,b\n" * 50
PAGE = "<!doctype html><title>Новости</title><p>Сегодня</p>"
IN_UTF_8 = PAGE.encode()
IN_1251 = PAGE.encode("cp1251")
CSV_ONLY = {"verify": {"contentTypes": ["text/csv"]}}
MAX_LINES = 5000
MAX_HEAD_BYTES = 300 * 1024
HTML: dict[str, Any] = {"file_format": "html"}


def typed(body: bytes, *types: str) -> Behaviour:
    return respond(200, body, *(f"Content-Type: {value}" for value in types))


def cut_in_half(*headers: str) -> Behaviour:
    length = f"Content-Length: {len(BODY)}"
    return send(response_head("200 OK", length, *headers) + BODY[: len(BODY) // 2])


def the_rest(*headers: str) -> Behaviour:
    start = len(BODY) // 2 - 1
    ranges = f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    return respond(206, BODY[start:], ranges, *headers)


REPORTS = [
    Report(
        source="yesodweb/yesod#534",
        situation="a body that is packed twice says so on two lines",
        server={
            "/x": [
                respond(
                    200,
                    gzip.compress(gzip.compress(CSV)),
                    "Content-Encoding: gzip",
                    "Content-Encoding: gzip",
                )
            ]
        },
        options={"request": {"compressed": True}},
        files=(CSV,),
    ),
    Report(
        source="Orange-OpenSource/hurl#40",
        situation="identity on one line, and gzip on the next",
        server={
            "/x": [
                respond(
                    200, gzip.compress(CSV), "Content-Encoding: identity", "Content-Encoding: gzip"
                )
            ]
        },
        options={"request": {"compressed": True}},
        files=(CSV,),
    ),
    Report(
        source="psf/requests#6248",
        situation="one type for the page and one for a script: the last type counts",
        server={"/x": [typed(CSV, "text/html; charset=UTF-8", "text/csv")]},
        options=CSV_ONLY,
        files=(CSV,),
    ),
    Report(
        source="httpwg/http-core#39",
        situation="a type that means any, and then the real one",
        server={"/x": [typed(IN_UTF_8, "*/*", "text/html")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="whatwg/mimesniff#30",
        situation="the same type twice, the second with the charset",
        server={"/x": [typed(IN_1251, "text/html", "text/html; charset=windows-1251")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="Fetch Standard, extract a MIME type",
        situation="the same type twice, the first with the charset",
        server={"/x": [typed(IN_1251, "text/html; charset=windows-1251", "Text/HTML;x=y")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="Fetch Standard, extract a MIME type",
        situation="both types and their charset in one line",
        server={"/x": [typed(IN_1251, "text/plain;charset=utf-8, text/html;charset=cp1251")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="Fetch Standard, extract a MIME type",
        situation="the charset of another type does not count",
        server={"/x": [typed(IN_UTF_8, "text/plain;charset=windows-1251", "text/html")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="Fetch Standard, get, decode, and split",
        situation="a comma in quotes does not end a type",
        server={"/x": [typed(IN_UTF_8, 'text/html; title="a, text/csv"')]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
    Report(
        source="RFC 9110, 8.3",
        situation="the same type twice in one line passes the check of the type",
        server={"/x": [typed(CSV, "text/csv, text/csv")]},
        options=CSV_ONLY,
        files=(CSV,),
    ),
    Report(
        source="RFC 9110, 8.3",
        situation="something invalid after the type does not count",
        server={"/x": [typed(CSV, "text/csv", "charset=utf-8", "")]},
        options=CSV_ONLY,
        files=(CSV,),
    ),
    Report(
        source="RFC 9110, 8.3",
        situation="something that is no type is named in the message",
        server={"/x": [typed(CSV, "csv")]},
        options=CSV_ONLY,
        outcomes=(failed("WrongType", "The body's type is csv, not text/csv"),),
        files=(),
    ),
    Report(
        source="boostorg/beast#1880",
        situation="the same length twice",
        server={"/x": [respond(200, BODY, f"Content-Length: {len(BODY)}")]},
        files=(BODY,),
    ),
    Report(
        source="RFC 9110, 8.6",
        situation="the same length twice in one line, and a body that is cut",
        server={
            "/x": [
                send(response_head("200 OK", "Content-Length: 50, 50") + CSV[:20]),
                send(response_head("200 OK", "Content-Length: 50, 50") + CSV[:50]),
            ]
        },
        outcomes=(retried("IncompleteBody"), Outcome()),
        files=(CSV[:50],),
    ),
    Report(
        source="RFC 9112, 6.3",
        situation="two lengths that contradict each other",
        server={"/x": [respond(200, BODY, "Content-Length: 5")]},
        outcomes=(retried("BadResponse"),),
        files=(),
    ),
    Report(
        source="RFC 9110, 8.8.3",
        situation="the same ETag twice: the download is resumed",
        server={"/x": [cut_in_half('ETag: "a"', 'ETag: "a"'), the_rest('ETag: "a"', 'ETag: "a"')]},
        outcomes=(retried("IncompleteBody"), Outcome()),
        files=(BODY,),
        requests=((), (f"Range: bytes={len(BODY) // 2 - 1}-", 'If-Range: "a"')),
    ),
    Report(
        source="RFC 9110, 8.8.3",
        situation="two ETags: the download is not resumed by either",
        server={"/x": [cut_in_half('ETag: "a"', 'ETag: "b"'), respond(200)]},
        outcomes=(retried("IncompleteBody"), Outcome()),
        files=(BODY,),
        requests=((), ()),
        absent=((), ("Range:", "If-")),
    ),
    Report(
        source="RFC 9110, 14.4",
        situation="two ranges that contradict each other: the whole file is fetched again",
        server={
            "/x": [
                cut_in_half('ETag: "a"'),
                the_rest('ETag: "a"', f"Content-Range: bytes 0-9/{len(BODY)}"),
                respond(200),
            ]
        },
        outcomes=(retried("IncompleteBody"), Outcome()),
        files=(BODY,),
        requests=((), ("Range:",), ()),
        absent=((), (), ("Range:",)),
    ),
    Report(
        source="RFC 9110, 14.3",
        situation="ranges are refused in the second of two lines",
        server={
            "/x": [
                cut_in_half('ETag: "a"', "Accept-Ranges: none", "Accept-Ranges: none"),
                respond(200),
            ]
        },
        outcomes=(retried("IncompleteBody"), Outcome()),
        files=(BODY,),
        absent=((), ("Range:",)),
        requests=((), ()),
    ),
    Report(
        source="RFC 9112, 6.1",
        situation="two transfer codings, of which the last is chunked",
        server={
            "/x": [
                send(
                    response_head(
                        "200 OK", "Transfer-Encoding: identity", "Transfer-Encoding: chunked"
                    )
                    + b"5\r\nhello\r\n0\r\n\r\n"
                )
            ]
        },
        files=(b"hello",),
    ),
    Report(
        source="RFC 9112, 5.2",
        situation="a type that is folded over two lines",
        server={"/x": [typed(IN_1251, "text/html;\r\n\tcharset=windows-1251")]},
        options=HTML,
        files=(IN_UTF_8,),
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (("attachment", 'attachment; filename="a.csv"'), "a.csv"),
        (('attachment; filename="a.csv"', 'attachment; filename="b.csv"'), "a.csv"),
        (('attachment; filename="a, b.csv"',), "a, b.csv"),
        (("attachment; filename*=utf-8''%C3%BC.csv", "attachment; filename=b.csv"), "ü.csv"),
    ],
)
def test_first_line_that_names_the_file_counts(
    lines: tuple[str, ...], name: str, pod: Pod, server: FaultServer
) -> None:
    headers = (f"Content-Disposition: {line}" for line in lines)
    attempt = pod.run(
        server.on("/x", respond(200, CSV, *headers)), path="{namespace}/{name}/{filename}"
    )
    assert attempt.code == 0
    assert pod.names() == [name]


def test_result_has_one_type_and_one_version(pod: Pod, server: FaultServer) -> None:
    headers = ("Content-Type: text/csv", "Content-Type: text/csv", 'ETag: "a"', 'ETag: "a"')
    result = pod.run(server.on("/x", respond(200, CSV, *headers))).result
    assert (result.contentType, result.etag) == ("text/csv", '"a"')


@pytest.mark.parametrize(("surplus", "reason"), [(0, None), (1, "BadResponse")])
def test_number_of_lines_is_bounded(
    surplus: int, reason: str | None, pod: Pod, server: FaultServer
) -> None:
    """The server adds two of its own: Content-Length and Connection."""
    lines = ["Via: 1.1 somewhere"] * (MAX_LINES + surplus - 2)
    attempt = pod.run(server.on("/x", respond(200, CSV, *lines)))
    assert attempt.result.reason == reason


@pytest.mark.parametrize(("surplus", "reason"), [(0, None), (1, "ConnectionLost")])
def test_size_of_all_headers_is_bounded(
    surplus: int, reason: str | None, pod: Pod, server: FaultServer
) -> None:
    head = response_head("200 OK", "Content-Length: 0")
    line = b"Via: " + b"x" * 1000 + b"\r\n"
    number, rest = divmod(MAX_HEAD_BYTES - len(head), len(line))
    last = b"Via: " + b"x" * (rest + surplus - len(b"Via: \r\n")) + b"\r\n"
    whole = head.removesuffix(b"\r\n") + line * number + last + b"\r\n"
    assert len(whole) == MAX_HEAD_BYTES + surplus
    attempt = pod.run(server.on("/x", send(whole)))
    assert attempt.result.reason == reason
