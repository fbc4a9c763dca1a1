"""What a browser gets of what a server sent."""

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.formats.html_page import MAX_DOCUMENT_BYTES, check_page, document_from
from download_worker.http.messages import Response


def response(**headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response("http://x/", status=200, headers=named)


@pytest.mark.parametrize("content_type", ["application/pdf", "text/plain; charset=utf-8", ""])
def test_body_that_is_not_a_page_is_refused(content_type: str) -> None:
    with pytest.raises(DownloadError, match="format raw") as caught:
        document_from(response(content_type=content_type), b"x")
    assert (caught.value.reason, caught.value.permanent) == (Reason.NOT_A_PAGE, True)


@pytest.mark.parametrize(
    "headers",
    [{}, *({"content_type": name} for name in ("", "*/*", "unknown/unknown", "html", "; a=b"))],
)
def test_page_without_a_usable_type_is_recognised_by_its_start(headers: dict[str, str]) -> None:
    for start in (b" ", b"\xef\xbb\xbf"):
        document = document_from(response(**headers), start + b"<!DOCTYPE html><p>x")
        assert dict(document.headers) == {"content-type": "text/html"}


TAGS = ["!doctype html", "html", "head", "script", "iframe", "h1", "div", "font", "table", "a"]
TAGS += ["style", "title", "b", "body", "br", "p"]


@pytest.mark.parametrize("blanks", ["", "\t\n\f\r ", " " * 1400])
@pytest.mark.parametrize("tag", [*TAGS, *(tag.upper() for tag in TAGS)])
def test_every_beginning_of_the_standard_is_that_of_a_page(tag: str, blanks: str) -> None:
    for ending in (">", " lang=en>"):
        check_page(response(), f"{blanks}<{tag}{ending}text".encode())


@pytest.mark.parametrize("start", ["<!--", "<!-- x --><html>", "\n<!--x"])
def test_comment_is_the_beginning_of_a_page(start: str) -> None:
    check_page(response(), start.encode())


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("ending", ["", "\n", "\t", "/>", "x>"])
def test_tag_has_to_end_with_a_blank_or_a_bracket(tag: str, ending: str) -> None:
    with pytest.raises(DownloadError):
        check_page(response(), f"<{tag}{ending}".encode())


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "x<html>", "\v<html>", "< html>", "<?xml version='1.0'?><html>", "<!- x"),
        *("<h2>x", "<span>x", "<ul><li>", "<rss>", "<svg>", "{}", " " * 1445 + "<html>"),
    ],
)
def test_other_beginnings_are_not_those_of_a_page(body: str) -> None:
    with pytest.raises(DownloadError) as caught:
        check_page(response(), body.encode())
    assert caught.value.reason is Reason.NOT_A_PAGE


def test_browser_gets_headers_about_showing_and_not_about_sending() -> None:
    document = document_from(
        response(
            content_type="Text/HTML; charset=utf-8",
            content_encoding="gzip",
            content_disposition="attachment",
            content_security_policy="default-src 'self'",
        ),
        b"<p>x",
        "robot/1",
    )
    assert (document.url, document.body, document.user_agent) == ("http://x/", b"<p>x", "robot/1")
    assert dict(document.headers) == {
        "content-type": "Text/HTML; charset=utf-8",
        "content-security-policy": "default-src 'self'",
    }


def test_browser_gets_every_cookie_of_the_page_and_those_of_its_redirects() -> None:
    page = response(content_type="text/html")
    page.set_cookies, page.cookies = ("a=1", "b=2"), (b"h\tFALSE\t/\tFALSE\t0\tc\t3",)
    document = document_from(page, b"<p>x")
    assert document.headers[1:] == (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    assert document.cookies == page.cookies


def test_document_is_no_larger_than_the_browser_takes() -> None:
    largest = b"x" * MAX_DOCUMENT_BYTES
    assert document_from(response(content_type="text/html"), largest).body == largest
    with pytest.raises(DownloadError) as caught:
        document_from(response(content_type="text/html"), largest + b"x")
    assert caught.value.reason is Reason.TOO_LARGE
