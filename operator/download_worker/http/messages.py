"""The request and the response of an HTTP exchange (RFC 9110)."""

from dataclasses import dataclass, field
from typing import Final

from download_schedule.attempt.task import Method
from download_worker.http import fields

MAX_LENGTH_DIGITS: Final = 20
"""Digits of a Content-Length that are read; a longer number is larger than any limit anyway."""

ACCEPTED: Final = 202
PARTIAL_CONTENT: Final = 206
NOT_MODIFIED: Final = 304
RANGE_NOT_SATISFIABLE: Final = 416

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """A GET, or a POST with its body."""

    url: str
    headers: tuple[Header, ...] = ()
    method: Method = Method.GET
    body: bytes = b""
    cookies: tuple[bytes, ...] = field(default=(), repr=False)
    """Cookies that earlier responses of this attempt set, as libcurl writes them to a file. Those
    that are meant for the url are sent."""


@dataclass(slots=True)
class Response:
    """What a server sends before the body."""

    url: str
    version: str = ""
    """HTTP version, such as ``1.1``."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """What all lines of a header say together, by its name in lower case; not Set-Cookie."""
    set_cookies: tuple[str, ...] = field(default=(), repr=False)
    """The lines of Set-Cookie, the only header whose lines cannot be one value."""
    cookies: tuple[bytes, ...] = field(default=(), repr=False)
    """Cookies of the attempt after this response, as in :attr:`Request.cookies`."""
    is_redirected: bool = False
    """Whether a redirect led to the url."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def document_url(self) -> str:
        """The url, without the fragment where a redirect led to it."""
        return self.url.partition("#")[0] if self.is_redirected else self.url

    @property
    def media_type(self) -> str:
        """Content-Type in lower case without parameters; empty if there is no valid one."""
        return fields.media_type(self.headers.get("content-type", ""))

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as sent, if the server says; chunks overrule it (RFC 9112, 6.3)."""
        lengths = set(fields.list_members(self.headers.get("content-length", "")))
        length = lengths.pop() if len(lengths) == 1 else ""
        if not length.isascii() or not length.isdigit() or self._is_chunked:
            return None
        return int(length.lstrip("0")[:MAX_LENGTH_DIGITS] or 0)

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body ends where the connection does, so that a cut goes unnoticed."""
        is_framed = "content-length" in self.headers or self._is_chunked
        return self.version.startswith("1") and not is_framed

    @property
    def _is_chunked(self) -> bool:
        """Whether chunks frame the body. libcurl refuses any coding but chunked and identity."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()
