"""Decode a page as browsers do (Encoding Standard), and make it say that it is UTF-8."""

import codecs
import re
from typing import Final

import webencodings

from download_worker.formats.html_page import check_page
from download_worker.http.messages import Response

_PRESCAN_BYTES: Final = 1024
"""Bytes in which a page names its encoding (HTML Standard, "prescan a byte stream")."""
_LABEL: Final = r"([A-Za-z0-9_.:-]{1,40})"
_HEADER_CHARSET: Final = re.compile(rf"charset\s*=\s*(?:[\"']\s*)?{_LABEL}", re.IGNORECASE)
_PAGE_CHARSETS: Final = (
    re.compile(rf"(<meta\b[^>]{{0,200}}?charset\s*=\s*(?:[\"']\s*)?){_LABEL}", re.IGNORECASE),
    re.compile(rf"(\A\s*<\?xml\b[^>]{{0,200}}?encoding\s*=\s*[\"']){_LABEL}"),
)
"""Places where a page names its encoding. A meta element counts before an XML declaration."""
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_FOR_TEXT: Final = frozenset({"replacement", "x-user-defined"})
"""Encodings of the standard that do not yield a page's text, so a label of theirs is ignored."""


def decode_page(response: Response, body: bytes) -> str:
    """Return a page's text. Where it names an encoding, it then names UTF-8.

    Raises:
        DownloadError: the body is not a page.
    """
    check_page(response, body)
    text = _decode(response, body)
    start = text[:_PRESCAN_BYTES]
    for pattern in _PAGE_CHARSETS:
        start = pattern.sub(r"\1utf-8", start, count=1)
    return start + text[_PRESCAN_BYTES:]


def _decode(response: Response, body: bytes) -> str:
    """Decode by byte order mark, Content-Type, meta element, in this order; then try UTF-8."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body.decode(encoding, errors="replace")
    if codec := _header_codec(response) or _page_codec(body):
        return body.decode(codec, errors="replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _header_codec(response: Response) -> str | None:
    match = _HEADER_CHARSET.search(response.headers.get("content-type", ""))
    return _python_codec(match[1]) if match else None


def _page_codec(body: bytes) -> str | None:
    """Return the codec that the page names; not UTF-16, in which the name could not be read."""
    start = body[:_PRESCAN_BYTES].decode("latin-1")
    labels = (match[2] for pattern in _PAGE_CHARSETS if (match := pattern.search(start)))
    codec = next(filter(None, map(_python_codec, labels)), None)
    return "utf-8" if codec and codec.startswith("utf-16") else codec


def _python_codec(label: str) -> str | None:
    """Return Python's name for the encoding that browsers know by *label*, if there is one."""
    encoding = webencodings.lookup(label)
    if encoding is None or encoding.name in _NOT_FOR_TEXT:
        return None
    # The standard decodes gbk as gb18030, which is larger.
    return "gb18030" if encoding.name == "gbk" else str(encoding.codec_info.name)
