"""What the gate reads and writes."""

import pytest

from download_worker.egress.http1 import (
    Head,
    Target,
    authority,
    body_length,
    forwarded,
    parse,
    refusal,
    returned,
    target,
)


def request(line: str, *fields: str) -> Head:
    return parse("\r\n".join((line, *fields, "", "")).encode())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CONNECT example.com:443 HTTP/1.1", Target("example.com", 443)),
        ("CONNECT [::1]:8443 HTTP/1.1", Target("::1", 8443)),
        ("GET http://example.com HTTP/1.1", Target("example.com", 80, "/")),
        ("GET http://example.com:8080/a?b=c HTTP/1.1", Target("example.com", 8080, "/a?b=c")),
        ("GET http://[::1]/ HTTP/1.1", Target("::1", 80, "/")),
    ],
)
def test_a_proxy_request_says_where_to(line: str, expected: Target) -> None:
    assert target(request(line)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET / HTTP/1.1",
        "GET https://example.com/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http://user:word@example.com/ HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://example.com:99999/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://example.com/ HTTP/2",
        "GET http://example.com/ x HTTP/1.1",
        "CONNECT example.com HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
        "CONNECT example.com:x HTTP/1.1",
    ],
)
def test_anything_else_is_none(line: str) -> None:
    assert target(Head(line, ())) is None


@pytest.mark.parametrize("field", ["no colon", ": no name", "X : y", " folded: x", "X: a\nY: b"])
def test_a_field_that_could_be_read_in_two_ways_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="no field"):
        request("GET http://example.com/ HTTP/1.1", field)


def test_a_request_is_passed_on_as_the_servers_only_one() -> None:
    head = request(
        "GET http://example.com/a HTTP/1.1",
        "Host: example.com",
        "Proxy-Connection: keep-alive",
        "Upgrade: websocket",
        "Cookie: a=b",
    )
    assert forwarded(head, Target("example.com", 80, "/a")) == (
        b"GET /a HTTP/1.1\r\nHost: example.com\r\nCookie: a=b\r\nConnection: close\r\n\r\n"
    )


def test_an_answer_is_the_last_on_its_connection() -> None:
    head = request("HTTP/1.1 200 OK", "Connection: keep-alive", "Content-Length: 3")
    assert head.status == 200
    assert returned(head) == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("line", ["", "HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 -5 x"])
def test_what_is_no_answer_has_no_status(line: str) -> None:
    assert Head(line, ()).status == 0


@pytest.mark.parametrize(("fields", "length"), [((), 0), (("Content-Length: 12",), 12)])
def test_a_body_has_a_length(fields: tuple[str, ...], length: int) -> None:
    assert body_length(request("POST http://example.com/ HTTP/1.1", *fields)) == length


@pytest.mark.parametrize(
    "field", ["Content-Length: -1", "Content-Length: +1", "Transfer-Encoding: chunked"]
)
def test_a_body_without_a_length_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="length"):
        body_length(request("POST http://example.com/ HTTP/1.1", field))


def test_a_refusal_is_plain_and_whole() -> None:
    head, _, body = refusal(403, "not ours: é").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Refused\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b"not ours: ?\n"


def test_host_and_port_are_written_as_in_a_url() -> None:
    assert authority("example.com", 80) == "example.com:80"
    assert authority("::1", 80) == "[::1]:80"
