"""The messages of the egress proxy, and what could smuggle a request past it."""

import h11
import pytest

from download_worker.egress.http1 import (
    Target,
    authority,
    body_length,
    connect_request,
    find_target,
    forwarded_request,
    parse_request,
    parse_response,
    refusal,
    returned_response,
)


def request(line: str, *headers: str) -> h11.Request:
    return parse_request("\r\n".join((line, "Host: x", *headers, "", "")).encode())


def response(line: str, *headers: str) -> h11.Response | h11.InformationalResponse:
    return parse_response("\r\n".join((line, *headers, "", "")).encode())


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("CONNECT example.com:443 HTTP/1.1", Target("example.com", 443)),
        ("CONNECT [::1]:8443 HTTP/1.1", Target("::1", 8443)),
        ("GET http://example.com HTTP/1.1", Target("example.com", 80, "/")),
        ("GET http://example.com:8080/a?b=c HTTP/1.1", Target("example.com", 8080, "/a?b=c")),
        ("GET http://[::1]/ HTTP/1.1", Target("::1", 80, "/")),
    ],
)
def test_proxy_request_has_a_target(line: str, target: Target) -> None:
    assert find_target(request(line)) == target


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/1.1",
        "GET https://example.com/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http://user:word@example.com/ HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://example.com:99999/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "CONNECT example.com HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
        "CONNECT example.com:x HTTP/1.1",
    ],
)
def test_other_request_has_no_target(line: str) -> None:
    assert find_target(request(line)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "rubbish",
        "GET http://example.com/ HTTP/2",
        "GET http://example.com/ x HTTP/1.1",
        "GET http://example.com/\x00 HTTP/1.1",
        "GET http://exämple.com/ HTTP/1.1",
    ],
)
def test_invalid_request_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="request line"):
        request(line)


@pytest.mark.parametrize(
    "header",
    [
        "no colon",
        ": no name",
        "X : y",
        " folded: x",
        "\tfolded: x",
        "X: a\nY: b",
        "X: a\rY: b",
        "X: a\x00",
        "X\x00: a",
        "Host: y",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 2",
        "Content-Length: 1\n\nGET http://10.0.0.1/ HTTP/1.1",
    ],
)
def test_ambiguous_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"header|Content-Length|Host"):
        request("POST http://example.com/ HTTP/1.1", header)


@pytest.mark.parametrize(
    "line", ["", "HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 -5 x", "GET / HTTP/1.1"]
)
def test_invalid_status_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"response|status"):
        response(line)


@pytest.mark.parametrize("header", ["X : y", " folded: x", "X: a\nY: b", "Content-Length: 1, 2"])
def test_ambiguous_header_of_a_response_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"header|Content-Length"):
        response("HTTP/1.1 200 OK", header)


def test_change_of_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="UPGRADE"):
        response("HTTP/1.1 101 Switching Protocols", "Upgrade: x")


def test_interim_response_is_told_from_the_final_one() -> None:
    assert isinstance(response("HTTP/1.1 103 Early Hints"), h11.InformationalResponse)
    assert isinstance(response("HTTP/1.1 200 OK"), h11.Response)


def test_forwarded_request_is_the_only_one_on_its_connection() -> None:
    received = request(
        "GET http://x/a HTTP/1.1",
        "Proxy-Connection: keep-alive",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Cookie: a=b",
    )
    assert forwarded_request(received, Target("x", 80, "/a")) == (
        b"GET /a HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nConnection: close\r\n\r\n"
    )


def test_request_for_another_proxy_has_the_whole_address() -> None:
    received = parse_request(b"GET http://[2001:db8::1]:81/a?b HTTP/1.1\r\nHost: h\r\n\r\n")
    target = Target("2001:db8::1", 81, "/a?b")
    assert forwarded_request(received, target, is_absolute=True) == (
        b"GET http://[2001:db8::1]:81/a?b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    assert connect_request(Target("2001:db8::1", 443)) == (
        b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"
    )


def test_forwarded_request_has_one_content_length() -> None:
    received = request("POST http://x/a HTTP/1.1", "Content-Length: 5", "Content-Length: 5", "X: y")
    forwarded = forwarded_request(received, Target("x", 80, "/a"))
    assert forwarded.lower().count(b"content-length") == 1


def test_returned_response_is_the_last_on_its_connection() -> None:
    received = response("HTTP/1.1 200 OK", "Connection: keep-alive", "Content-Length: 3")
    assert isinstance(received, h11.Response)
    assert returned_response(received) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(("headers", "length"), [((), 0), (("Content-Length: 12",), 12)])
def test_body_has_a_length(headers: tuple[str, ...], length: int) -> None:
    assert body_length(request("POST http://example.com/ HTTP/1.1", *headers)) == length


@pytest.mark.parametrize(
    "header",
    [
        "Content-Length: -1",
        "Content-Length: +1",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ],
)
def test_body_without_a_length_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"length|Length"):
        body_length(request("POST http://example.com/ HTTP/1.1", header))


def test_refusal_is_a_complete_response_in_ascii() -> None:
    head, _, body = refusal(403, "not ours: é").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Refused\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b"not ours: ?\n"


def test_authority_is_written_as_in_a_url() -> None:
    assert authority("example.com", 80) == "example.com:80"
    assert authority("::1", 80) == "[::1]:80"
