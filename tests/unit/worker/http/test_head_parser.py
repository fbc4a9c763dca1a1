"""Lines before a body: which of them make up the response."""

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.head_parser import MAX_INTERIM, ResponseHeadParser
from download_worker.http.messages import Response

URL = "http://example.com/x"
OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"


def parse(*lines: bytes) -> Response:
    parser = ResponseHeadParser(URL)
    for line in lines:
        parser.feed(line)
    return parser.response


@pytest.mark.parametrize(
    ("line", "version", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n", "1.1", 200),
        (b"HTTP/1.0 404\r\n", "1.0", 404),
        (b"HTTP/2 204 \r\n", "2", 204),
        (b"HTTP/1.1 \t 999 \xff\r\n", "1.1", 999),
        (b"HTTP/1.1 200 two\x0blines\r\n", "1.1", 200),
    ],
)
def test_status_line_is_read(line: bytes, version: str, status: int) -> None:
    response = parse(line, END)
    assert (response.url, response.version, response.status) == (URL, version, status)


@pytest.mark.parametrize(
    "line",
    [
        b"hello\r\n",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 20 OK\r\n",
        b"HTTP/1.1 099 OK\r\n",
        b"HTTP/x 200 OK\r\n",
        b" : \r\n",
    ],
)
def test_anything_else_at_the_start_is_refused(line: bytes) -> None:
    with pytest.raises(DownloadError, match="does not begin with an HTTP status") as caught:
        parse(line)
    assert caught.value.reason is Reason.BAD_RESPONSE


def test_lines_of_a_header_are_one_list() -> None:
    response = parse(OK, b"Via: one\r\n", b"X:\t y: z \r\n", b"vIA: two\r\n", b"no colon\r\n", END)
    assert response.headers == {"via": "one, two", "x": "y: z"}


def test_set_cookie_stays_in_lines() -> None:
    response = parse(OK, b"Set-Cookie: a=1, b\r\n", b"set-cookie: c=2\r\n", END)
    assert response.set_cookies == ("a=1, b", "c=2")
    assert response.headers == {}


def test_header_that_contradicts_itself_is_none() -> None:
    assert parse(OK, b"Date: now\r\n", b"Date: then\r\n", END).headers == {}


def test_interim_response_sets_no_cookie() -> None:
    early = (b"HTTP/1.1 103 Early Hints\r\n", b"Set-Cookie: a=1\r\n", END)
    assert parse(*early, OK, END).set_cookies == ()


def test_name_with_a_blank_is_another_header() -> None:
    assert parse(OK, b"Content-Length : 9\r\n", END).content_length is None


def test_interim_response_does_not_count() -> None:
    response = parse(b"HTTP/1.1 103 Early Hints\r\n", b"ETag: early\r\n", END, OK, b"X: y\r\n", END)
    assert (response.status, response.headers) == (200, {"x": "y"})


def test_too_many_interim_responses_are_refused() -> None:
    parser = ResponseHeadParser(URL)
    for _ in range(MAX_INTERIM):
        parser.feed(b"HTTP/1.1 102 Processing\r\n")
        parser.feed(END)
    parser.feed(OK)
    parser.feed(END)
    assert parser.response.status == 200
    with pytest.raises(DownloadError, match="interim responses"):
        parser.feed(b"HTTP/1.1 102 Processing\r\n")


def test_header_that_looks_like_a_status_line_is_a_header() -> None:
    response = parse(b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 200: x\r\n", END)
    assert response.status == 404


@pytest.mark.parametrize("line", [b"ETag: late\r\n", b"no colon\r\n"])
def test_trailer_does_not_count(line: bytes) -> None:
    response = parse(OK, b"X: y\r\n", END, line, END)
    assert (response.status, response.headers) == (200, {"x": "y"})


@pytest.mark.parametrize("line", [b"HTTP/1.1 500 x\r\n", b"ETag: late\r\n", b"Location: /\r\n"])
def test_line_after_the_body_has_begun_does_not_count(line: bytes) -> None:
    parser = ResponseHeadParser(URL)
    for head_line in (OK, b"X: y\r\n", END):
        parser.feed(head_line)

    parser.feed(line, body_begun=True)
    parser.feed(END, body_begun=True)

    assert (parser.response.status, parser.response.headers) == (200, {"x": "y"})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"X: na\xc3\xafve\r\n", "naïve"),
        (b"X: na\xefve\r\n", "naïve"),
        (b"X: \xff\r\n", "ÿ"),
        (b"X: \t a\xc2\xa0 \r\n", "a\xa0"),
    ],
)
def test_value_is_utf_8_or_latin_1(line: bytes, value: str) -> None:
    assert parse(OK, line, END).headers == {"x": value}


def test_location_in_another_encoding_keeps_its_bytes() -> None:
    assert parse(OK, b"Location: /na\xefve?a=%20\r\n", END).headers["location"] == "/na%EFve?a=%20"
