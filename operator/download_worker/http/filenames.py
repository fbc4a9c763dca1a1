"""The name of a file, from what the server and the URL say. Neither is trusted."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

DEFAULT: Final = "download"
MAX_BYTES: Final = 200
"""Of the name in UTF-8; file systems allow 255, and the path's template adds to it."""

_PARAMETER: Final = re.compile(
    r'(?:\A|;)\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL
)
"""Any parameter, so that what looks like one within quotes is none; many servers forget quotes."""
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_HARMFUL: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_EXTENSION: Final = re.compile(r"(?:\.tar)?\.[^.]{1,16}\Z", re.IGNORECASE)
"""What tells people and programs what a file is; a name that is cut keeps it."""
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|clock\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE
)
"""Names that no file can have on a share of Windows, whatever comes after their first dot."""


def filename(url: str, disposition: str | None) -> str:
    """Return the name for what *url* serves: safe as the last part of a path, never empty.

    Args:
        url: after all redirects.
        disposition: the response's Content-Disposition (RFC 6266), if it has one.
    """
    proposed = *_from_disposition(disposition or ""), unquote(_last(urlsplit(url).path))
    return next(filter(None, map(_safe, proposed)), DEFAULT)


def _from_disposition(header: str) -> Iterator[str]:
    """``filename*`` wins over ``filename``, as RFC 6266 section 4.3 asks."""
    values: dict[str, str] = {}
    for found in _PARAMETER.finditer(header):
        quoted, plain = found[2], found[3]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        values.setdefault(found[1].lower(), value)
    extended = _EXTENDED.fullmatch(values.get("filename*", "").strip())
    if extended:
        yield unquote_to_bytes(extended[2]).decode(extended[1], errors="replace")
    yield values.get("filename", "")


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _safe(name: str) -> str:
    """Keep the last part; leave out what file systems, shells or terminals could stumble over."""
    visible = "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", name)
        if unicodedata.category(c) not in _INVISIBLE
    )
    cleaned = _cut(_HARMFUL.sub("_", _last(visible)).lstrip(" .-").rstrip(" ."))
    return _cut(f"_{cleaned}") if _DEVICE.fullmatch(cleaned) else cleaned


def _cut(name: str) -> str:
    """Shorten a name that is too long where its extension is not, between two characters."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    found = _EXTENSION.search(name)
    extension = found[0].encode() if found else b""
    stem = name.encode()[: MAX_BYTES - len(extension)].decode(errors="ignore")
    return stem.rstrip(" .") + extension.decode()


_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
