"""Name a file after the server's Content-Disposition or the URL, neither of which is trusted."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from download_worker.http.fields import parameters

DEFAULT_NAME: Final = "download"
MAX_NAME_BYTES: Final = 200
"""Bytes of the name in UTF-8. File systems allow 255, and the path's template adds to it."""

_EXTENDED_VALUE: Final = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_EXTENSION: Final = re.compile(r"(?:\.tar)?\.[^.]{1,16}\Z", re.IGNORECASE)
"""The part that tells people and programs what a file is; a shortened name keeps it."""
_WINDOWS_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|clock\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE
)
"""Names that no file on a Windows share can have, whatever follows their first dot."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of invisible characters."""


def choose_filename(url: str, disposition: str | None) -> str:
    """Return a name for what *url* serves: safe as the last part of a path, never empty.

    Args:
        url: after all redirects.
        disposition: the response's Content-Disposition (RFC 6266), if it has one.
    """
    candidates = *_disposition_names(disposition or ""), unquote(_last_part(urlsplit(url).path))
    return next(filter(None, map(_make_safe, candidates)), DEFAULT_NAME)


def _disposition_names(header: str) -> Iterator[str]:
    """Yield ``filename*`` before ``filename``, as RFC 6266 section 4.3 asks."""
    values = parameters(header)
    extended = _EXTENDED_VALUE.fullmatch(values.get("filename*", "").strip())
    if extended:
        yield unquote_to_bytes(extended[2]).decode(extended[1], errors="replace")
    yield values.get("filename", "")


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _make_safe(name: str) -> str:
    """Return the last part without anything that trips file systems, shells or terminals."""
    visible = "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", name)
        if unicodedata.category(c) not in _INVISIBLE
    )
    cleaned = _shorten(_UNSAFE.sub("_", _last_part(visible)).lstrip(" .-").rstrip(" ."))
    return _shorten(f"_{cleaned}") if _WINDOWS_DEVICE.fullmatch(cleaned) else cleaned


def _shorten(name: str) -> str:
    """Cut a name that is too long before its extension, between two characters."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    match = _EXTENSION.search(name)
    extension = match[0].encode() if match else b""
    stem = name.encode()[: MAX_NAME_BYTES - len(extension)].decode(errors="ignore")
    return stem.rstrip(" .") + extension.decode()
