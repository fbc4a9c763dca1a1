"""Combine the lines of a header into one value (RFC 9110, 5.2 and 5.3).

The table in `docs/guides/fetching.md` says for each header what several lines mean.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE: Final = re.compile(rf"({_WORD}/{_WORD})(?:[ \t;(]|\Z)")
"""A media type ends where Chromium has it end: some servers forget the semicolon behind it."""
_MEMBER: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\Z))+', re.DOTALL)
_PARAMETER: Final = re.compile(
    r'(?:\A|;)\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL
)
"""Any parameter, so that one inside another's quotes is not read. Many servers forget quotes."""
_BLANKS: Final = " \t"


def combine(name: str, values: list[str]) -> str | None:
    """Return what the lines of a header say together; None if they contradict each other.

    Args:
        name: in lower case; not ``set-cookie``, whose lines cannot be one value.
        values: of the lines, in their order, without blanks around them.
    """
    return _RULES.get(name, _join)(values)


def list_members(value: str) -> list[str]:
    """Split a list at its commas, but not at those in quotes; without empty members."""
    if "," not in value:
        member = value.strip(_BLANKS)
        return [member] if member else []
    return list(filter(None, (match[0].strip(_BLANKS) for match in _MEMBER.finditer(value))))


def parameters(value: str) -> Mapping[str, str]:
    """Return a header's parameters by their names in lower case; the first of a name counts."""
    by_name: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        quoted, plain = match[2], match[3]
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        by_name.setdefault(match[1].lower(), text)
    return by_name


def media_type(content_type: str) -> str:
    """Return the type in lower case without parameters; empty if the value names no type."""
    match = _MEDIA_TYPE.match(content_type.lstrip(_BLANKS))
    return match[1].lower() if match and match[1] != "*/*" else ""


def _join(values: list[str]) -> str:
    return ", ".join(filter(None, values)) if len(values) > 1 else values[0]


def _join_different(values: list[str]) -> str:
    return _join(list(dict.fromkeys(values)))


def _only_one(values: list[str]) -> str | None:
    different = set(values) - {""} or {""}
    return different.pop() if len(different) == 1 else None


def _first(values: list[str]) -> str:
    return next(filter(None, values), "")


def _last_type(values: list[str]) -> str:
    """Return the last valid type, with the charset of those before it that are the same type.

    Fetch Standard, "extract a MIME type". The type comes as the server wrote it.
    """
    combined = _join(values)
    members = list_members(combined)
    if len(members) < 2:
        return combined
    chosen, previous, carried = "", "", ""
    for member in members:
        if not (current := media_type(member)):
            continue
        charset = parameters(member).get("charset", "")
        if current != previous:
            chosen, previous, carried = member, current, charset
        else:
            is_carried = not charset and re.fullmatch(_WORD, carried)
            chosen = f"{member}; charset={carried}" if is_carried else member
    return chosen or combined


def _first_filename(values: list[str]) -> str:
    """Return the first line that names a file; without one, the first line."""
    named = (value for value in values if {"filename", "filename*"} & parameters(value).keys())
    return next(named, values[0])


_RULES: Final[Mapping[str, Callable[[list[str]], str | None]]] = {
    "content-disposition": _first_filename,
    "content-length": _join_different,
    "content-range": _join_different,
    "content-type": _last_type,
    "date": _only_one,
    "etag": _join_different,
    "last-modified": _only_one,
    "location": _first,
    "refresh": _first,
    "retry-after": _first,
}
"""Headers that are no lists. libcurl refuses lengths or addresses that contradict each other."""
