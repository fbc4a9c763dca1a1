"""The HTTP/1.1 messages of a forward proxy (RFC 9110, RFC 9112), as pure functions.

h11 parses the heads and refuses those that two parties could read in different ways. This module is
stricter still: it also refuses a bare line feed, a folded header and a request body without a
length. Bodies pass through as they are.
"""

from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import h11

MAX_HEAD_BYTES: Final = 64 * 1024
END_OF_HEAD: Final = b"\r\n\r\n"
CONNECTED: Final = b"HTTP/1.1 200 Connected\r\n\r\n"

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"te",
        b"upgrade",
    }
)
"""Headers about one connection only. All are dropped, so that each connection has one exchange."""


class Target(NamedTuple):
    """Where a request wants to go."""

    host: str
    port: int
    path: str = ""
    """Path and query; empty for CONNECT."""

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes of any kind are to be passed on."""
        return not self.path


def parse_request(head: bytes) -> h11.Request:
    """Read a request's head.

    Raises:
        ValueError: it is invalid or ambiguous.
    """
    event = _parse(h11.Connection(h11.SERVER, MAX_HEAD_BYTES), head)
    if not isinstance(event, h11.Request):
        raise ValueError("not a request")
    return event


def parse_response(head: bytes) -> h11.Response | h11.InformationalResponse:
    """Read a response's head. A response that changes the protocol (101) is invalid.

    Raises:
        ValueError: it is invalid or ambiguous.
    """
    connection = h11.Connection(h11.CLIENT, MAX_HEAD_BYTES)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "any")]))
    event = _parse(connection, head)
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise ValueError("not a response")
    return event


def find_target(request: h11.Request) -> Target | None:
    """Return where a proxy request leads; None if it is not a proxy request."""
    url = request.target.decode("ascii")
    try:
        if request.method == b"CONNECT":
            split = urlsplit(f"//{url}")
            return Target(split.hostname, split.port) if split.hostname and split.port else None
        split = urlsplit(url)
        if split.scheme != "http" or not split.hostname or split.username is not None:
            return None
        return Target(split.hostname, split.port or 80, _origin_form(split))
    except ValueError:
        return None


def body_length(request: h11.Request) -> int:
    """Return how many bytes the request's body has.

    Raises:
        ValueError: the request does not say. Browsers always do in HTTP/1.1.
    """
    headers = dict(request.headers)
    if b"transfer-encoding" in headers:
        raise ValueError("a request body without a length")
    return int(headers.get(b"content-length", b"0"))


def forwarded_request(request: h11.Request, target: Target, *, is_absolute: bool = False) -> bytes:
    """Return the request's head as the server gets it: the only one on its connection.

    Args:
        request: of the client.
        target: where it leads.
        is_absolute: whether the server is a proxy, which needs the whole address.
    """
    origin = f"http://{authority(target.host, target.port)}" if is_absolute else ""
    return _render(b"%s %s HTTP/1.1" % (request.method, (origin + target.path).encode()), request)


def connect_request(target: Target) -> bytes:
    """Return the head that asks another proxy for a tunnel."""
    host = authority(target.host, target.port)
    return f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def returned_response(response: h11.Response) -> bytes:
    """Return the response's head as the client gets it: the last one on its connection."""
    return _render(b"HTTP/1.1 %d %s" % (response.status_code, response.reason), response)


def refusal(status: int, explanation: str) -> bytes:
    """Return a response of the proxy itself."""
    body = f"{explanation}\n".encode("ascii", "replace")
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def authority(host: str, port: int) -> str:
    """Return host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse(connection: h11.Connection, head: bytes) -> object:
    lines = head.removesuffix(END_OF_HEAD).split(b"\r\n")
    if any(line.startswith((b" ", b"\t")) or b"\n" in line or b"\r" in line for line in lines):
        raise ValueError("a header that could be read in two ways")
    try:
        connection.receive_data(head)
        return connection.next_event()
    except h11.ProtocolError as error:
        raise ValueError(str(error)) from error


def _origin_form(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _render(line: bytes, message: h11.Request | h11.Response) -> bytes:
    lines = [
        b"%s: %s" % (raw_name, value)
        for raw_name, value in message.headers.raw_items()
        if raw_name.lower() not in _HOP_BY_HOP
    ]
    return b"\r\n".join((line, *lines, b"Connection: close", b"", b""))
