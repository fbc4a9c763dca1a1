"""Pages that come without a media type, or with one that says nothing."""

import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import Report, failed, reproduce
from tests.support.http_faults import FaultServer, respond

SNIFFING = "MIME Sniffing Standard, 7.1"
HTML = {"file_format": "html"}
BEGINNINGS = [
    "<!-- x --><html><p>text",
    "<!--",
    "<head><title>Report</title></head>",
    "<!doctype html >",
    "<HTML LANG=EN>",
    "\r\n\t \f<script src=/x.js></script>",
    "<iframe src=/x>",
    "<h1>Report</h1>",
    "<div class=a>text",
    "<font size=1>text",
    "<table><tr>",
    "<a href=/>text",
    "<style>p {}</style>",
    "<title>Report</title>",
    "<b>text",
    "<body>text",
    "<br>text",
    "<p>text",
]
OTHERS = ["just text", "<b", "<body\ntext", "<div\t>", "<span>text", "<?xml version='1.0'?><html>"]

REPORTS = [
    *(
        Report(
            source=SNIFFING,
            situation=f"a body without a type that begins with {beginning!r} is a page",
            server={"/x": [respond(200, beginning.encode())]},
            options=HTML,
            files=(beginning.encode(),),
        )
        for beginning in BEGINNINGS
    ),
    *(
        Report(
            source="MIME Sniffing Standard, 7",
            situation=f"a page of the type {media_type!r} is recognised by its beginning",
            server={"/x": [respond(200, b"<p>text", f"Content-Type: {media_type}")]},
            options=HTML,
            files=(b"<p>text",),
        )
        for media_type in ("*/*", "unknown/unknown", "application/unknown", "", "html")
    ),
    *(
        Report(
            source=SNIFFING,
            situation=f"a body without a type that begins with {beginning!r} is not a page",
            server={"/x": [respond(200, beginning.encode())]},
            options=HTML,
            outcomes=(failed("NotAPage", "a body without a type", "write format raw"),),
            files=(),
        )
        for beginning in OTHERS
    ),
    Report(
        source="MIME Sniffing Standard, 7",
        situation="a page that its server calls text is not taken for one",
        server={"/x": [respond(200, b"<html>text", "Content-Type: text/plain")]},
        options=HTML,
        outcomes=(failed("NotAPage", "text/plain", "write format raw"),),
        files=(),
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)
