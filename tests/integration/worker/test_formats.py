"""Pages kept in another shape."""

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

from tests.support.attempts import Ended, Pod
from tests.support.http_faults import FaultServer, answer

ARTICLE = "The harbour was closed on Monday because of the storm, the port authority said. " * 8
PAGE = f"""<!DOCTYPE html>
<html><head><meta charset="iso-8859-1"><title>Harbour closed</title></head>
<body><nav><a href="/">Home</a> <a href="/ads">Buy our advertisement</a></nav>
<article><h1>Harbour closed</h1><p>{ARTICLE}</p><p>Ferries sail from <b>Münster</b> again on
Tuesday, <a href="https://example.com/ferries">the timetable</a> says.</p></article>
<script>track()</script><footer>Imprint and cookies</footer></body></html>"""


def run(pod: Pod, server: FaultServer, form: str, body: bytes, kind: str, **more: Any) -> Ended:
    headers = [f"Content-Type: {kind}"] if kind else []
    return pod.run(server.on("/news.html", answer(200, body, *headers)), form=form, **more)


def kept(pod: Pod) -> tuple[str, str]:
    ((path, body),) = pod.files().items()
    return path.rpartition("-")[2], body.decode()


@pytest.mark.parametrize(("form", "name"), [("text", "news.txt"), ("markdown", "news.md")])
def test_the_article_is_kept_and_nothing_around_it(
    pod: Pod, server: FaultServer, form: str, name: str
) -> None:
    ended = run(pod, server, form, PAGE.encode("latin-1"), "text/html")
    assert ended.code == 0, ended.out
    filename, text = kept(pod)
    assert filename == name
    assert "port authority" in text
    assert "Münster" in text
    for around in ("advertisement", "track()", "cookies", "<p>"):
        assert around not in text
    assert ended.result.bytes == len(text.encode())
    assert ("https://example.com/ferries" in text) == (form == "markdown")


@pytest.mark.parametrize(
    ("body", "kind"),
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
def test_html_is_kept_in_utf_8_and_says_so(
    pod: Pod, server: FaultServer, body: bytes, kind: str
) -> None:
    ended = run(pod, server, "html", body, kind)
    assert ended.code == 0, ended.out
    name, text = kept(pod)
    assert name == "news.html"
    assert "Münster" in text
    assert "iso-8859-1" not in text


def test_json_holds_the_body_and_what_was_said_of_it(pod: Pod, server: FaultServer) -> None:
    ended = run(pod, server, "json", b"\x00\xff", "application/x-thing")
    name, text = kept(pod)
    document = json.loads(text)
    assert name == "news.json"
    assert base64.b64decode(document["content"]) == b"\x00\xff"
    assert (document["status"], document["size"]) == (200, 2)
    assert document["content_type"] == "application/x-thing"
    assert ended.result.bytes == len(text)


@pytest.mark.parametrize("form", ["html", "text", "markdown"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"a,b", "text/csv"), (b"%PDF-1.7", "application/pdf"), (b"just text", "")],
)
def test_what_is_no_page_is_refused_for_good(
    pod: Pod, server: FaultServer, form: str, body: bytes, kind: str
) -> None:
    ended = run(pod, server, form, body, kind)
    assert (ended.code, ended.result.reason) == (10, "NotAPage")
    assert "write format raw" in (ended.result.message or "")
    assert pod.files() == {}


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<html>" + b"<div>" * 50_000])
def test_a_page_without_an_article_is_refused_for_good(
    pod: Pod, server: FaultServer, body: bytes
) -> None:
    ended = run(pod, server, "text", body, "text/html")
    assert (ended.code, ended.result.reason) == (10, "NoArticle"), ended.out


def test_an_unchanged_page_is_seen_to_be(pod: Pod, server: FaultServer) -> None:
    first = run(pod, server, "text", PAGE.encode("latin-1"), "text/html", only_if_changed=True)
    other = PAGE.replace("track()", "other()").encode("latin-1")
    again = run(pod, server, "text", other, "text/html", only_if_changed=True)
    assert (first.result.unchanged, again.result.unchanged) == (None, True)
    changed = run(pod, server, "markdown", other, "text/html", only_if_changed=True)
    assert changed.result.unchanged is None


def test_limits_are_those_of_the_body_fetched(pod: Pod, server: FaultServer) -> None:
    ended = run(pod, server, "text", PAGE.encode(), "text/html", verify={"maxBytes": 500})
    assert (ended.code, ended.result.reason) == (10, "TooLarge")


@pytest.mark.parametrize("form", ["html", "text", "markdown", "json"])
@pytest.mark.parametrize("right", [True, False])
def test_the_digest_insisted_on_is_that_of_the_body_fetched(
    pod: Pod, server: FaultServer, form: str, right: bool
) -> None:
    body = PAGE.encode("latin-1")
    digest = hashlib.sha256(body if right else b"another").hexdigest()
    ended = run(pod, server, form, body, "text/html", verify={"sha256": digest})
    if right:
        assert ended.code == 0, ended.out
        assert ended.result.sha256 == hashlib.sha256(*pod.files().values()).hexdigest() != digest
    else:
        assert (ended.code, ended.result.reason) == (10, "ChecksumMismatch")
        assert pod.files() == {}


@pytest.mark.parametrize("form", ["html", "text", "markdown"])
def test_a_page_that_always_comes_compressed_is_read(
    pod: Pod, server: FaultServer, form: str
) -> None:
    body = PAGE.encode("latin-1")
    packed = answer(200, gzip.compress(body), "Content-Type: text/html", "Content-Encoding: gzip")
    digest = hashlib.sha256(body).hexdigest()
    ended = pod.run(server.on("/news.html", packed), form=form, verify={"sha256": digest})
    assert ended.code == 0, ended.out
    assert "Münster" in kept(pod)[1]


def test_a_page_is_printed(pod: Pod, server: FaultServer) -> None:
    """How, and what a page must not do, is the matter of test_page.py."""
    digest = hashlib.sha256(PAGE.encode()).hexdigest()
    ended = run(
        pod, server, "pdf", PAGE.encode(), "text/html; charset=utf-8", verify={"sha256": digest}
    )
    assert ended.code == 0, ended.out
    ((path, pdf),) = pod.files().items()
    assert path.endswith("-news.pdf")
    assert pdf.startswith(b"%PDF-")
    assert ended.result.sha256 == hashlib.sha256(pdf).hexdigest()
    assert ended.result.bytes == len(pdf)


def test_another_page_than_the_one_insisted_on_is_not_printed(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", answer(200, b"<img src=/seen>", "Content-Type: text/html"))
    ended = pod.run(url, form="pdf", verify={"sha256": "0" * 64})
    assert (ended.code, ended.result.reason) == (10, "ChecksumMismatch")
    assert [head.split(" ")[1] for head in server.heads] == ["/x"]
