"""Decode a page as browsers do, and make it say that it is UTF-8."""

import codecs
import re
from typing import Final

import webencodings

from download_worker.formats.declarations import declarations_in_meta, declared_in_xml
from download_worker.formats.html_page import XHTML, check_page
from download_worker.formats.web_encodings import decode
from download_worker.http.messages import Response

_HEADER_CHARSET: Final = re.compile(
    r"charset\s*=\s*(?:[\"']\s*)?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16le",
    codecs.BOM_UTF16_BE: "utf-16be",
}
_XML_IN_UTF_16: Final = {b"<\0?\0x\0": "utf-16le", b"\0<\0?\0x": "utf-16be"}
"""How an XML declaration in UTF-16 begins without a byte order mark."""
_NOT_FOR_TEXT: Final = frozenset({"replacement", "x-user-defined"})
"""Encodings of the standard that do not yield a page's text, so a label of theirs is ignored."""
_UTF_8: Final = "utf-8"
_LEGACY: Final = "windows-1252"


def page_in_utf_8(response: Response, body: bytes) -> bytes:
    """Return the page in UTF-8. Only the places where it names another encoding are changed.

    Raises:
        DownloadError: the body is not a page.
    """
    check_page(response, body)
    mark = next((mark for mark in _BYTE_ORDER_MARKS if body.startswith(mark)), b"")
    if mark:
        encoding = webencodings.lookup(_BYTE_ORDER_MARKS[mark])
    else:
        encoding = _header_encoding(response) or _page_encoding(response, body)
    page = _say_utf_8(decode(body[len(mark) :], encoding).encode())
    return codecs.BOM_UTF8 + page if mark else page


def decode_page(response: Response, body: bytes) -> str:
    """Return the text of the page, without a byte order mark.

    Raises:
        DownloadError: the body is not a page.
    """
    return page_in_utf_8(response, body).decode("utf-8-sig")


def _say_utf_8(page: bytes) -> bytes:
    in_xml = declared_in_xml(page)
    pieces, end = [], 0
    for place in (*((in_xml,) if in_xml else ()), *declarations_in_meta(page)):
        if place.named.name != _UTF_8:
            pieces += [page[end : place.start], _UTF_8.encode()]
            end = place.end
    return b"".join((*pieces, page[end:]))


def _header_encoding(response: Response) -> webencodings.Encoding | None:
    match = _HEADER_CHARSET.search(response.headers.get("content-type", ""))
    encoding = webencodings.lookup(match[1]) if match else None
    return None if encoding is None or encoding.name in _NOT_FOR_TEXT else encoding


def _page_encoding(response: Response, body: bytes) -> webencodings.Encoding:
    """Return the encoding that the page declares, or the likeliest if it declares none.

    In HTML a meta element counts before an XML declaration. In XHTML it counts only where the page
    is not UTF-8, which XML is unless it says something else.
    """
    if utf_16 := _XML_IN_UTF_16.get(body[:6]):
        return webencodings.lookup(utf_16)
    in_xml = declared_in_xml(body)
    if response.media_type == XHTML and (in_xml or _is_utf_8(body)):
        return in_xml.meant if in_xml else webencodings.lookup(_UTF_8)
    for declaration in (*declarations_in_meta(body), in_xml):
        if declaration:
            return declaration.meant
    return webencodings.lookup(_UTF_8 if _is_utf_8(body) else _LEGACY)


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
