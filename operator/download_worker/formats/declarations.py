"""Find where a page names its encoding, by the rules of the HTML Standard.

Nothing here decodes the page. Its bytes are gone through once, to the first tag, comment or
quotation without an end.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import webencodings

PRESCAN_BYTES: Final = 1024
"""Bytes of any page that are searched (HTML Standard, 13.2.3.2)."""
MAX_HEAD_BYTES: Final = 4 * 1024**2
"""Bytes of a page's head that are searched. Browsers have no limit."""

_MARKUP: Final = re.compile(rb"<[a-z/!?]", re.IGNORECASE)
_TAG: Final = re.compile(rb"<(/?)([a-z][^\t\n\f\r />]*+)", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    rb"[\t\n\f\r /]*+(=?[^\t\n\f\r =/>]*+)"
    rb"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"
    rb"""(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r >"'][^\t\n\f\r >]*+)|(?=>)))?"""
)
"""Name and value of the next attribute. Behind the last one, the name is empty."""
_WITHOUT_END: Final = re.compile(rb"[\t\n\f\r ]*+(?:=|\Z)")
"""What remains where the last tag of a page has no end."""
_PRAGMA: Final = re.compile(
    rb"charset[\t\n\f\r ]*+=[\t\n\f\r ]*+"
    rb"""(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r ;"'][^\t\n\f\r ;]*+))""",
    re.IGNORECASE,
)
_XML_DECLARATION: Final = re.compile(
    rb"<\?xml[^>]*?encoding[\0-\x20]*+=[\0-\x20]*+"
    rb"""(?:"([^\0-\x20">]*+)"|'([^\0-\x20'>]*+)')"""
)
_COMMENT_END: Final = re.compile(rb"-->|(?<!<!)--!>")
_TAG_END: Final = re.compile(rb">")
_HEAD: Final = frozenset(
    b"base basefont bgsound head html link meta noframes noscript object script style template "
    b"title".split()
)
"""Elements with which a head goes on."""
_WITHOUT_TAGS: Final = {
    name: re.compile(rb"</%b(?=[\t\n\f\r />])" % name, re.IGNORECASE)
    for name in b"iframe noembed noframes script style textarea title xmp".split()
}
"""Elements in which tags are text, and how they end."""
_META_ATTRIBUTES: Final = frozenset({b"charset", b"content", b"http-equiv"})


class Declaration(NamedTuple):
    """A place where a page names its encoding."""

    named: webencodings.Encoding
    start: int
    """Where the name begins."""
    end: int

    @property
    def meant(self) -> webencodings.Encoding:
        """The encoding that is meant: not UTF-16, in which the name could not be read."""
        others = {"utf-16be": "utf-8", "utf-16le": "utf-8", "x-user-defined": "windows-1252"}
        return webencodings.lookup(others.get(self.named.name, self.named.name))


def declarations_in_meta(page: bytes) -> list[Declaration]:
    """Return the declarations in the meta elements of the head, in the order in which they count.

    The first in the head counts, because a parser that comes to it begins again with the encoding
    named there. Without any it is that of the prescan, which also looks into scripts.
    """
    metas = list(_metas(page[:MAX_HEAD_BYTES]))
    return metas or list(_metas(page[:PRESCAN_BYTES], is_prescan=True))


def declared_in_xml(page: bytes) -> Declaration | None:
    """Return the declaration in the XML declaration with which the page begins."""
    match = _XML_DECLARATION.match(page[:PRESCAN_BYTES])
    return _named(page, *_value(match)) if match else None


class _Tag(NamedTuple):
    name: bytes
    is_end: bool
    attributes: Mapping[bytes, tuple[int, int]]
    """Where the values of the attributes are that count."""
    end: int
    """0: the tag has no end."""


def _metas(page: bytes, *, is_prescan: bool = False) -> Iterator[Declaration]:
    in_head = True
    for tag in _tags(page, is_prescan=is_prescan):
        if tag.name == b"meta" and not tag.is_end:
            declaration = _read_meta(page, tag.attributes)
            if declaration:
                yield declaration
        in_head = in_head and (tag.name != b"head" if tag.is_end else tag.name in _HEAD)
        if not in_head and tag.end >= PRESCAN_BYTES:
            return


def _tags(page: bytes, *, is_prescan: bool) -> Iterator[_Tag]:
    """Yield the tags outside comments. The prescan takes what is in a script for tags too."""
    position = 0
    while markup := _MARKUP.search(page, position):
        position = markup.start()
        if start := _TAG.match(page, position):
            tag = _read_tag(page, start)
            if not tag.end:
                return
            yield tag
            end = None if is_prescan or tag.is_end else _WITHOUT_TAGS.get(tag.name)
            position = _end_of(end, page, tag.end) if end else tag.end
        elif page.startswith(b"<!--", position):
            position = _end_of(_COMMENT_END, page, position + 2)
        else:
            position = _end_of(_TAG_END, page, position + 2)


def _end_of(pattern: re.Pattern[bytes], page: bytes, position: int) -> int:
    match = pattern.search(page, position)
    return match.end() if match else len(page)


def _read_tag(page: bytes, start: re.Match[bytes]) -> _Tag:
    attributes: dict[bytes, tuple[int, int]] = {}
    position = start.end()
    while match := _ATTRIBUTE.match(page, position):
        position = match.end()
        name = match[1].lower()
        if not name or _WITHOUT_END.match(page, position):
            break
        if name in _META_ATTRIBUTES:
            has_value = match.lastindex != 1
            attributes.setdefault(name, _value(match) if has_value else (position, position))
    end = position + 1 if page.startswith(b">", position) else 0
    return _Tag(start[2].lower(), bool(start[1]), attributes, end)


def _value(match: re.Match[bytes]) -> tuple[int, int]:
    """Return where the value of a match is, the last group that took part in it."""
    return match.span(match.lastindex or 0)


def _read_meta(page: bytes, attributes: Mapping[bytes, tuple[int, int]]) -> Declaration | None:
    """Return what a meta element declares (HTML Standard, 13.2.6.4.4)."""
    if b"charset" in attributes and (declaration := _named(page, *attributes[b"charset"])):
        return declaration
    start, end = attributes.get(b"http-equiv", (0, 0))
    if page[start:end].lower() != b"content-type" or b"content" not in attributes:
        return None
    match = _PRAGMA.search(page, *attributes[b"content"])
    return _named(page, *_value(match)) if match else None


def _named(page: bytes, start: int, end: int) -> Declaration | None:
    """Return the declaration whose name is there, if it is that of an encoding for text."""
    encoding = webencodings.lookup(page[start:end].decode("latin-1"))
    if encoding is None or encoding.name == "replacement":
        return None
    return Declaration(encoding, start, end)
