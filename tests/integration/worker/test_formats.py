"""Pages saved in another format."""

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

from tests.support.attempts import FinishedAttempt, Pod
from tests.support.http_faults import FaultServer, respond

ARTICLE = "The harbour was closed on Monday because of the storm, the port authority said. " * 8
PAGE = f"""<!DOCTYPE html>
<html><head><meta charset="iso-8859-1"><title>Harbour closed</title></head>
<body><nav><a href="/">Home</a> <a href="/ads">Buy our advertisement</a></nav>
<article><h1>Harbour closed</h1><p>{ARTICLE}</p><p>Ferries sail from <b>Münster</b> again on
Tuesday, <a href="https://example.com/ferries">the timetable</a> says.</p></article>
<script>track()</script><footer>Imprint and cookies</footer></body></html>"""


def run(
    pod: Pod, server: FaultServer, file_format: str, body: bytes, content_type: str, **options: Any
) -> FinishedAttempt:
    headers = [f"Content-Type: {content_type}"] if content_type else []
    url = server.on("/news.html", respond(200, body, *headers))
    return pod.run(url, file_format=file_format, **options)


def saved_file(pod: Pod) -> tuple[str, str]:
    ((path, body),) = pod.files().items()
    return path.rpartition("-")[2], body.decode()


@pytest.mark.parametrize(("file_format", "name"), [("text", "news.txt"), ("markdown", "news.md")])
def test_article_is_saved_without_what_surrounds_it(
    pod: Pod, server: FaultServer, file_format: str, name: str
) -> None:
    attempt = run(pod, server, file_format, PAGE.encode("latin-1"), "text/html")
    assert attempt.code == 0, attempt.out
    filename, text = saved_file(pod)
    assert filename == name
    assert "port authority" in text
    assert "Münster" in text
    for surrounding in ("advertisement", "track()", "cookies", "<p>"):
        assert surrounding not in text
    assert attempt.result.bytes == len(text.encode())
    assert ("https://example.com/ferries" in text) == (file_format == "markdown")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PAGE.encode("latin-1"), "text/html"),
        (PAGE.encode("latin-1"), "text/html; charset=ISO-8859-1"),
        (PAGE.encode("cp1252"), "application/xhtml+xml; charset=latin1"),
        (PAGE.encode(), "text/html; charset=utf-8"),
        (PAGE.encode("utf-8-sig"), "text/html"),
        (PAGE.encode("utf-16"), "text/html"),
        (PAGE.replace(' charset="iso-8859-1"', "").encode(), ""),
        (PAGE.replace(' charset="iso-8859-1"', "").encode("cp1252"), "text/html"),
        (PAGE.encode("latin-1"), "text/html; charset=no-such-charset"),
    ],
)
def test_html_is_saved_in_utf_8_and_says_so(
    pod: Pod, server: FaultServer, body: bytes, content_type: str
) -> None:
    attempt = run(pod, server, "html", body, content_type)
    assert attempt.code == 0, attempt.out
    name, text = saved_file(pod)
    assert name == "news.html"
    assert "Münster" in text
    assert "iso-8859-1" not in text


def test_json_document_has_the_body_and_its_description(pod: Pod, server: FaultServer) -> None:
    attempt = run(pod, server, "json", b"\x00\xff", "application/x-thing")
    name, text = saved_file(pod)
    document = json.loads(text)
    assert name == "news.json"
    assert base64.b64decode(document["content"]) == b"\x00\xff"
    assert (document["status"], document["size"]) == (200, 2)
    assert document["content_type"] == "application/x-thing"
    assert attempt.result.bytes == len(text)


@pytest.mark.parametrize("file_format", ["html", "text", "markdown"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"a,b", "text/csv"), (b"%PDF-1.7", "application/pdf"), (b"just text", "")],
)
def test_body_that_is_not_a_page_is_refused(
    pod: Pod, server: FaultServer, file_format: str, body: bytes, content_type: str
) -> None:
    attempt = run(pod, server, file_format, body, content_type)
    assert attempt.outcome == (10, "NotAPage")
    assert "write format raw" in (attempt.result.message or "")
    assert pod.files() == {}


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<html>" + b"<div>" * 50_000])
def test_page_without_an_article_is_refused(pod: Pod, server: FaultServer, body: bytes) -> None:
    attempt = run(pod, server, "text", body, "text/html")
    assert attempt.outcome == (10, "NoArticle"), attempt.out


def test_unchanged_page_is_recognised(pod: Pod, server: FaultServer) -> None:
    first = run(pod, server, "text", PAGE.encode("latin-1"), "text/html", only_if_changed=True)
    other = PAGE.replace("track()", "other()").encode("latin-1")
    again = run(pod, server, "text", other, "text/html", only_if_changed=True)
    assert (first.result.unchanged, again.result.unchanged) == (None, True)
    changed = run(pod, server, "markdown", other, "text/html", only_if_changed=True)
    assert changed.result.unchanged is None


def test_limits_hold_for_the_body_as_fetched(pod: Pod, server: FaultServer) -> None:
    attempt = run(pod, server, "text", PAGE.encode(), "text/html", verify={"maxBytes": 500})
    assert attempt.outcome == (10, "TooLarge")


@pytest.mark.parametrize("file_format", ["html", "text", "markdown", "json"])
@pytest.mark.parametrize("is_expected", [True, False])
def test_expected_digest_is_that_of_the_body_as_fetched(
    pod: Pod, server: FaultServer, file_format: str, is_expected: bool
) -> None:
    body = PAGE.encode("latin-1")
    digest = hashlib.sha256(body if is_expected else b"another").hexdigest()
    attempt = run(pod, server, file_format, body, "text/html", verify={"sha256": digest})
    if is_expected:
        assert attempt.code == 0, attempt.out
        assert attempt.result.sha256 == hashlib.sha256(*pod.files().values()).hexdigest() != digest
    else:
        assert attempt.outcome == (10, "ChecksumMismatch")
        assert pod.files() == {}


@pytest.mark.parametrize("file_format", ["html", "text", "markdown"])
def test_page_that_is_always_compressed_is_read(
    pod: Pod, server: FaultServer, file_format: str
) -> None:
    body = PAGE.encode("latin-1")
    compressed = respond(
        200, gzip.compress(body), "Content-Type: text/html", "Content-Encoding: gzip"
    )
    digest = hashlib.sha256(body).hexdigest()
    attempt = pod.run(
        server.on("/news.html", compressed), file_format=file_format, verify={"sha256": digest}
    )
    assert attempt.code == 0, attempt.out
    assert "Münster" in saved_file(pod)[1]


def test_page_is_printed(pod: Pod, server: FaultServer) -> None:
    """How it is printed, and what a page must not do, is tested in test_pdf.py."""
    digest = hashlib.sha256(PAGE.encode()).hexdigest()
    attempt = run(
        pod, server, "pdf", PAGE.encode(), "text/html; charset=utf-8", verify={"sha256": digest}
    )
    assert attempt.code == 0, attempt.out
    ((path, pdf),) = pod.files().items()
    assert path.endswith("-news.pdf")
    assert pdf.startswith(b"%PDF-")
    assert attempt.result.sha256 == hashlib.sha256(pdf).hexdigest()
    assert attempt.result.bytes == len(pdf)


def test_page_with_another_digest_than_expected_is_not_printed(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", respond(200, b"<img src=/seen>", "Content-Type: text/html"))
    attempt = pod.run(url, file_format="pdf", verify={"sha256": "0" * 64})
    assert attempt.outcome == (10, "ChecksumMismatch")
    assert [request.split(" ")[1] for request in server.requests] == ["/x"]
