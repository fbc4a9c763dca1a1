"""Read the lines before a body: the status line and the headers of a response."""

import re
import string
from typing import Final
from urllib.parse import quote

from download_worker.errors import DownloadError, Reason
from download_worker.http.fields import combine
from download_worker.http.messages import Response

MAX_INTERIM: Final = 1000
"""Interim responses (1xx) before the final one; each says that the server is still working."""

_BLANKS: Final = " \t\r\n"
"""What may surround a value (RFC 9110, 5.5). A blank of any other kind belongs to it."""
_SET_COOKIE: Final = "set-cookie"
_STATUS_LINE: Final = re.compile(r"HTTP/([0-9.]+)[ \t]+([1-9][0-9]{2})(?:[ \t].*)?", re.DOTALL)


class ResponseHeadParser:
    """Fills a response, line by line.

    Each status line starts over, so the headers of an interim response (1xx) do not count. Lines
    after a head that do not start another one are trailers and do not count either. After the body
    has begun nothing counts, whatever it looks like.

    Attributes:
        response: as far as it has been read.
    """

    def __init__(self, url: str) -> None:
        self.response = Response(url)
        self._heads = 0
        self._in_head = False
        self._lines: dict[str, list[str]] = {}
        """Values of a head's lines by their names in lower case."""

    def feed(self, line: bytes, *, body_begun: bool = False) -> None:
        """Read the next line, with or without its end.

        Args:
            line: as it came from the server.
            body_begun: whether a part of the body has come before it.

        Raises:
            DownloadError: the line is not HTTP, or there are too many interim responses.
        """
        text = _decode(line).strip(_BLANKS)
        if not text or body_begun:
            self._end()
        elif not self._in_head and (match := _STATUS_LINE.fullmatch(text)):
            self._start(version=match[1], status=int(match[2]))
        elif self._in_head and ":" in text:
            name, _, value = text.partition(":")
            # A blank before the colon stays part of the name: libcurl ignores such a header.
            self._lines.setdefault(name.lower(), []).append(value.strip(_BLANKS))
        elif not self._heads:
            raise DownloadError(
                Reason.BAD_RESPONSE, "The server's response does not begin with an HTTP status."
            )

    def _start(self, version: str, status: int) -> None:
        self._heads += 1
        if status < 200 and self._heads > MAX_INTERIM:
            raise DownloadError(
                Reason.BAD_RESPONSE,
                f"The server sent more than {MAX_INTERIM} interim responses: "
                "another attempt may succeed.",
            )
        self._in_head = True
        self.response.version, self.response.status = version, status
        self.response.headers, self.response.set_cookies = {}, ()
        self._lines = {}

    def _end(self) -> None:
        """Combine the lines of a head that is complete."""
        if not self._in_head:
            return
        self._in_head = False
        self.response.set_cookies = tuple(self._lines.pop(_SET_COOKIE, ()))
        values = ((name, combine(name, lines)) for name, lines in self._lines.items())
        self.response.headers = {name: value for name, value in values if value is not None}


def _decode(line: bytes) -> str:
    """Decode as UTF-8, which servers use, or ISO 8859-1, the old rule (RFC 9110, 5.5)."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        if line.lower().startswith(b"location:"):
            return quote(line, safe=string.printable)  # the path has to come back byte for byte
        return line.decode("latin-1")
