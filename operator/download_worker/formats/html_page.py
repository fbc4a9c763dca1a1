"""The document of a page, as a browser is handed it."""

import codecs
from dataclasses import dataclass
from typing import Final

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response
from download_worker.http.redirects import Header

MAX_DOCUMENT_BYTES: Final = 16 * 1024**2
"""Of the document alone, which the browser takes in one piece."""
PAGE_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})

_LOOKED_AT: Final = 1024
"""Bytes by which a body whose type is not told is judged."""
_HANDED_ON: Final = frozenset(
    {
        "content-language",
        "content-security-policy",
        "content-type",
        "link",
        "permissions-policy",
        "referrer-policy",
        "refresh",
        "set-cookie",
    }
)
"""Fields that say how a page is shown; others are about how it was sent."""


@dataclass(frozen=True, slots=True)
class Document:
    """A page's HTML, where it was found, and how it is to be shown."""

    url: str
    body: bytes
    headers: tuple[Header, ...] = (("content-type", "text/html"),)
    user_agent: str | None = None
    """What the browser calls itself; None: by its own name."""


def document_of(response: Response, body: bytes, user_agent: str | None = None) -> Document:
    """Return the document that a server sent.

    Raises:
        DownloadError: it is no page, or more than 16 MiB.
    """
    check_page(response, body)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise DownloadError(
            Reason.TOO_LARGE,
            f"A page of more than {MAX_DOCUMENT_BYTES} bytes cannot be printed: write format html.",
            response.status,
        )
    told = {**response.headers}
    told["content-type"] = told.get("content-type") or "text/html"
    headers = tuple((name, value) for name, value in told.items() if name in _HANDED_ON)
    return Document(response.url, body, headers, user_agent)


def check_page(response: Response, body: bytes) -> None:
    """Insist on HTML: by the type told, and where none is told by how the body begins.

    Raises:
        DownloadError: it is something else.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in PAGE_TYPES and (kind or not _looks_like_a_page(body)):
        raise DownloadError(
            Reason.NOT_A_PAGE,
            f"The server sent {kind or 'something'} and no HTML page: write format raw.",
            response.status,
        )


def _looks_like_a_page(body: bytes) -> bool:
    start = body[:_LOOKED_AT].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))
