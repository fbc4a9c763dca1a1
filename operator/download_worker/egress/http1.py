"""What a browser and a forward proxy say to each other (RFC 9110, RFC 9112), as pure functions."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_HEAD: Final = 64 * 1024
END: Final = b"\r\n\r\n"
CONNECTED: Final = b"HTTP/1.1 200 Connected\r\n\r\n"
INTERIM: Final = frozenset({100, 102, 103})
"""Answers before the answer; 101 is none, it hands the connection to another protocol."""

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"}
)
"""Fields about one connection only; all are dropped, so that each carries one exchange."""


@dataclass(frozen=True, slots=True)
class Head:
    """First line and fields of a request or an answer."""

    line: str
    fields: tuple[tuple[str, str], ...]

    @property
    def method(self) -> str:
        """Of a request."""
        return self.line.partition(" ")[0]

    @property
    def status(self) -> int:
        """Of an answer; 0 if it is none."""
        code = self.line.split(" ", 2)[1:2]
        return int(code[0]) if code and code[0].isdecimal() else 0

    def field(self, name: str) -> str | None:
        """Return the first value of a field, by its name in lower case."""
        return next((value for each, value in self.fields if each.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request wants to go."""

    host: str
    port: int
    path: str = ""


def parse(data: bytes) -> Head:
    """Read a head.

    Raises:
        ValueError: it is none, or ambiguous: parties that read it differently could be played off
            against each other.
    """
    line, *rest = data.removesuffix(END).decode("latin-1").split("\r\n")
    fields = []
    for text in rest:
        name, colon, value = text.partition(":")
        if not colon or not name or name != name.strip() or {"\r", "\n", "\0"} & set(text):
            raise ValueError(f"no field: {text!r}")
        fields.append((name, value.strip()))
    return Head(line, tuple(fields))


def target(head: Head) -> Target | None:
    """Return where a proxy request leads; None: it is no proxy request."""
    parts = head.line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    try:
        if head.method == "CONNECT":
            split = urlsplit(f"//{parts[1]}")
            return Target(split.hostname, split.port) if split.hostname and split.port else None
        split = urlsplit(parts[1])
        if split.scheme != "http" or not split.hostname or split.username is not None:
            return None
        return Target(split.hostname, split.port or 80, _origin_form(split))
    except ValueError:
        return None


def _origin_form(split: SplitResult) -> str:
    return (split.path or "/") + (f"?{split.query}" if split.query else "")


def body_length(head: Head) -> int:
    """Return how long a request's body is.

    Raises:
        ValueError: no length is told in advance; browsers always do in HTTP/1.1.
    """
    if head.field("transfer-encoding") is not None:
        raise ValueError("a body of unknown length")
    text = head.field("content-length") or "0"
    if not text.isdecimal():
        raise ValueError(f"no length: {text!r}")
    return int(text)


def forwarded(head: Head, to: Target) -> bytes:
    """Return the request as the server itself gets it."""
    return _rendered(f"{head.method} {to.path} HTTP/1.1", head)


def returned(head: Head) -> bytes:
    """Return the answer as the browser gets it: the last one on its connection."""
    return _rendered(head.line, head)


def _rendered(line: str, head: Head) -> bytes:
    fields = [f"{n}: {v}" for n, v in head.fields if n.lower() not in _HOP_BY_HOP]
    return "\r\n".join((line, *fields, "Connection: close", "", "")).encode("latin-1")


def refusal(status: int, why: str) -> bytes:
    """Return the proxy's own answer."""
    body = f"{why}\n".encode("ascii", "replace")
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def authority(host: str, port: int) -> str:
    """Return host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
