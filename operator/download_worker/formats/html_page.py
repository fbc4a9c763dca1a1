"""The document of a page, as a browser gets it."""

import codecs
import re
from dataclasses import dataclass, field
from typing import Final

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Header, Response

MAX_DOCUMENT_BYTES: Final = 16 * 1024**2
"""Largest document that the browser accepts, in one piece."""
XHTML: Final = "application/xhtml+xml"
PAGE_TYPES: Final = frozenset({"text/html", XHTML})

_UNKNOWN_TYPES: Final = frozenset({"", "*/*", "application/unknown", "unknown/unknown"})
"""Media types that say nothing about a body (MIME Sniffing Standard, 7)."""
_SNIFFED_BYTES: Final = 1445
"""Bytes that show what a body is (MIME Sniffing Standard, 5.2)."""
_START_OF_PAGE: Final = re.compile(
    rb"[\t\n\f\r ]*<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title"
    rb"|b|body|br|p)[ >])",
    re.IGNORECASE,
)
"""How HTML begins (MIME Sniffing Standard, 7.1)."""
_DOCUMENT_HEADERS: Final = frozenset(
    {
        "content-language",
        "content-security-policy",
        "content-type",
        "link",
        "permissions-policy",
        "referrer-policy",
        "refresh",
    }
)
"""Headers that say how a page is shown, beside Set-Cookie. All others say how it was sent."""


@dataclass(frozen=True, slots=True)
class Document:
    """A page's HTML, its address, and how it is to be shown."""

    url: str
    body: bytes
    headers: tuple[Header, ...] = (("content-type", "text/html"),)
    user_agent: str | None = None
    """What the browser calls itself; None: its own name."""
    cookies: tuple[bytes, ...] = field(default=(), repr=False)
    """Cookies that redirects to the page set, as in :attr:`Response.cookies`."""


def document_from(response: Response, body: bytes, user_agent: str | None = None) -> Document:
    """Return the document that a server sent.

    Raises:
        DownloadError: it is not a page, or has more than 16 MiB.
    """
    check_page(response, body)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise DownloadError(
            Reason.TOO_LARGE,
            f"A page of more than {MAX_DOCUMENT_BYTES} bytes cannot be printed: write format html.",
            response.status,
        )
    headers = {**response.headers}
    if _is_unknown(response.media_type):
        headers["content-type"] = "text/html"
    shown = [(name, value) for name, value in headers.items() if name in _DOCUMENT_HEADERS]
    shown += (("set-cookie", value) for value in response.set_cookies)
    return Document(response.url, body, tuple(shown), user_agent, response.cookies)


def check_page(response: Response, body: bytes) -> None:
    """Check that the body is HTML, by its media type or, without a usable one, by its first bytes.

    Raises:
        DownloadError: it is not.
    """
    media_type = response.media_type
    if media_type in PAGE_TYPES or (_is_unknown(media_type) and _looks_like_page(body)):
        return
    raise DownloadError(
        Reason.NOT_A_PAGE,
        f"The server sent {media_type or 'a body without a type'} and not an HTML page: "
        "write format raw.",
        response.status,
    )


def _is_unknown(media_type: str) -> bool:
    return media_type in _UNKNOWN_TYPES or "/" not in media_type


def _looks_like_page(body: bytes) -> bool:
    """Return whether a browser would show the body as HTML; a byte order mark may precede it."""
    return bool(_START_OF_PAGE.match(body[:_SNIFFED_BYTES].removeprefix(codecs.BOM_UTF8)))
