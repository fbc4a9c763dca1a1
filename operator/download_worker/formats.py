"""In what other shapes a body can be kept.

Everything but the standard library is imported where it is used: it costs more time than most
downloads take.
"""

import base64
import codecs
import hashlib
import json
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from download_worker.document import check_page
from download_worker.download import Convert, Order
from download_worker.errors import DownloadError, Reason
from download_worker.transfer import Response

EXTENSIONS: Final = {
    "html": ".html",
    "text": ".txt",
    "markdown": ".md",
    "json": ".json",
    "pdf": ".pdf",
}
"""Formats other than ``raw``, and how the names of their files end."""
FORMATS: Final = frozenset({"raw", *EXTENSIONS})
OF_PAGES: Final = frozenset({"html", "text", "markdown", "pdf"})
"""Formats that are made of pages, whose bodies have to be decoded."""
CONTENT_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "pdf": "application/pdf",
}
"""What a file is after its conversion."""

_PAGE_NAMES: Final = re.compile(r"\.(?:html?|xhtml|php|aspx?|jsp)\Z", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_META_CHARSET: Final = re.compile(
    rb"(<meta\b[^>]{0,200}?charset\s*=\s*[\"']?\s*)([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_PRESCAN: Final = 1024
"""Bytes in which a page may say its own encoding (HTML Standard, "prescan a byte stream")."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                 (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def converter(form: str, order: Order, stopped: Callable[[], bool]) -> Convert | None:
    """Return what makes *form* of a body; None for ``raw``.

    Args:
        form: name of the format.
        order: what is fetched; its limits hold for what a page loads besides.
        stopped: asked while a page is printed whether to give up.

    Raises:
        ValueError: there is no such format.
    """
    match form:
        case "raw":
            return None
        case "html":
            return lambda response, body: _in_utf8(response, body).encode()
        case "text":
            return lambda response, body: _article(response, body, "txt")
        case "markdown":
            return lambda response, body: _article(response, body, "markdown")
        case "json":
            return _document
        case "pdf":
            from download_worker.page import Rendering, printer  # noqa: PLC0415

            return printer(order, Rendering(), stopped)
    raise ValueError(f"format {form}")


def named(filename: str, form: str) -> str:
    """Return the name of a file after its conversion."""
    extension = EXTENSIONS.get(form)
    if not extension or filename.lower().endswith(extension):
        return filename
    return _PAGE_NAMES.sub("", filename) + extension


def _document(response: Response, body: bytes) -> bytes:
    """A JSON document; the same for the same body, so that it can be seen to be unchanged."""
    document = {
        "url": response.url,
        "status": response.status,
        "content_type": response.headers.get("content-type"),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "encoding": "base64",
        "content": base64.b64encode(body).decode(),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _article(response: Response, body: bytes, form: str) -> bytes:
    """The main article, without navigation, advertisements and scripts."""
    import trafilatura  # noqa: PLC0415

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    page = _in_utf8(response, body)
    extracted: Any = trafilatura.extract(
        page, url=response.url, output_format=form, include_links=form == "markdown"
    )
    if not extracted:
        raise DownloadError(
            Reason.NO_ARTICLE,
            "The page has no article that could be found: write format html or raw.",
            response.status,
        )
    return str(extracted).encode() + b"\n"


def _in_utf8(response: Response, body: bytes) -> str:
    """Return a page's text as browsers read it: byte order mark, header, meta element, UTF-8."""
    check_page(response, body)
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body.decode(encoding, errors="replace")
    in_page = _META_CHARSET.search(body[:_PRESCAN])
    in_header = _CHARSET.search(response.headers.get("content-type", ""))
    said = in_header[1] if in_header else in_page[2].decode() if in_page else ""
    if in_page:
        body = body[: in_page.start(2)] + b"utf-8" + body[in_page.end(2) :]
    try:
        return body.decode(_codec(said) or "utf-8", errors="replace" if said else "strict")
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _codec(name: str) -> str:
    """Return Python's name of an encoding, empty if there is none; Latin 1 is cp1252 on the web."""
    try:
        codec = codecs.lookup(name).name
        b"".decode(codec)
    except LookupError:
        return ""
    return "cp1252" if codec in ("iso8859-1", "ascii") else codec
