"""In what other shapes a body can be kept.

Everything but the standard library is imported where it is used: it costs more time than most
downloads take.
"""

import codecs
import hashlib
import json
import logging
import re
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any, Final

from download_worker.download import Convert, Order
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.formats.html_page import check_page
from download_worker.http.messages import Response

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

POLL_SECONDS: Final = 0.2
"""Between two questions whether to stop."""

_PAGE_NAMES: Final = re.compile(r"\.(?:html?|xhtml|php|aspx?|jsp)\Z", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset\s*=\s*(?:[\"']\s*)?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_IN_PAGE: Final = (
    re.compile(
        r"(<meta\b[^>]{0,200}?charset\s*=\s*(?:[\"']\s*)?)([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
    ),
    re.compile(r"(\A\s*<\?xml\b[^>]{0,200}?encoding\s*=\s*[\"'])([A-Za-z0-9_.:-]{1,40})"),
)
"""Where a page says its own encoding, the first of them before the second."""
_NO_CHARACTER: Final = re.compile(
    r"&#(?:0*(?:[1-8]|1[124-9]|2[0-9]|3[01]|6553[45])(?![0-9])"
    r"|x0*(?:[1-8bcef]|1[0-9a-f]|fff[ef])(?![0-9a-f]));?",
    re.IGNORECASE,
)
"""References to what XML has no room for, and browsers show nothing of."""
_PRESCAN: Final = 1024
"""Bytes in which it may do so (HTML Standard, "prescan a byte stream")."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                 (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_AS_NAMED: Final = frozenset(
    {
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "euc_jp", "iso2022_jp"),
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *(f"cp{page}" for page in (866, 874, 932, 949, *range(1250, 1259))),
        *("gb18030", "big5hkscs", "mac-roman", "mac-cyrillic"),
    }
)
"""What browsers read (Encoding Standard), by Python's names."""
_READ_AS: Final = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}
"""What browsers read as a larger encoding than the one named."""
_LABELS: Final = {
    "iso-8859-8-i": "iso8859-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gbk",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-sjis": "shift_jis",
}
"""Names that browsers know and Python does not."""


def converter(form: str, order: Order, stopped: Callable[[], bool]) -> Convert | None:
    """Return what makes *form* of a body; None for ``raw``.

    Args:
        form: name of the format.
        order: what is fetched; its limits hold for what a page loads besides.
        stopped: asked while an article is looked for, or a page printed, whether to give up.

    Raises:
        ValueError: there is no such format.
    """
    match form:
        case "raw":
            return None
        case "html":
            return lambda response, body: _in_utf8(response, body).encode()
        case "text":
            return _stoppable(partial(_article, form="txt"), stopped)
        case "markdown":
            return _stoppable(partial(_article, form="markdown"), stopped)
        case "json":
            return _document
        case "pdf":
            from download_worker.formats.pdf import Rendering, printer

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
    import base64

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


def _stoppable(convert: Convert, stopped: Callable[[], bool]) -> Convert:
    """Convert in a thread, which is left to itself once it is to stop: large pages take minutes."""

    def convert_or_stop(response: Response, body: bytes) -> bytes:
        ended: list[bytes | Exception] = []

        def work() -> None:
            try:
                ended.append(convert(response, body))
            except Exception as error:
                ended.append(error)

        thread = Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if stopped():
                raise StoppedError
        (outcome,) = ended
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return convert_or_stop


def _article(response: Response, body: bytes, form: str) -> bytes:
    """The main article, without navigation, advertisements and scripts."""
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    page = _NO_CHARACTER.sub("", _in_utf8(response, body))
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
    """Return a page's text, which says that it is in UTF-8 where it says its encoding at all."""
    check_page(response, body)
    text = _text(response, body)
    start = text[:_PRESCAN]
    for pattern in _IN_PAGE:
        start = pattern.sub(r"\1utf-8", start, count=1)
    return start + text[_PRESCAN:]


def _text(response: Response, body: bytes) -> str:
    """Read a page as browsers do: byte order mark, header, meta element, UTF-8."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body.decode(encoding, errors="replace")
    codec = _in_header(response) or _in_page(body)
    try:
        return body.decode(codec or "utf-8", errors="replace" if codec else "strict")
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _in_header(response: Response) -> str:
    found = _CHARSET.search(response.headers.get("content-type", ""))
    return _codec(found[1]) if found else ""


def _in_page(body: bytes) -> str:
    """A page that could be read so far is not in UTF-16, whatever it says."""
    start = body[:_PRESCAN].decode("latin-1")
    said = (_codec(found[2]) for each in _IN_PAGE if (found := each.search(start)))
    codec = next(filter(None, said), "")
    return "utf-8" if codec.startswith("utf-16") else codec


def _codec(label: str) -> str:
    """Return Python's name of what browsers take for that encoding, empty if it is none."""
    try:
        name = _LABELS.get(label.lower()) or codecs.lookup(label).name
    except LookupError:
        return ""
    return _READ_AS.get(name) or (name if name in _AS_NAMED else "")
