"""Which part of a file a request asks for (RFC 9110, 13 and 14). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from download_api.problems.problem import ProblemError

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True)
class Selection:
    """The part of a file to send, and the response's status and headers for it."""

    status: int
    """200, 206 or 304."""
    bytes: range
    headers: dict[str, str]


def select_bytes(request_headers: Mapping[str, str], etag: str, size: int) -> Selection:
    """Return what to send for a GET.

    Args:
        request_headers: by names in lower case.
        etag: the file's ETag; empty if it has none.
        size: the file's size in bytes.

    Raises:
        ProblemError: 416, the file does not have the requested bytes.
    """
    if etag and _matches(request_headers.get("if-none-match", ""), etag):
        return Selection(304, range(0), {})
    selected = _parse_range(request_headers.get("range", ""), size)
    if selected is None or request_headers.get("if-range", etag) != etag:
        return Selection(200, range(size), {"Content-Length": str(size)})
    if not selected:
        message = f"Range: the file has {size} bytes; ask for some of them."
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError(416, "range_not_satisfiable", message, headers)
    headers = {
        "Content-Length": str(len(selected)),
        "Content-Range": f"bytes {selected.start}-{selected.stop - 1}/{size}",
    }
    return Selection(206, selected, headers)


def _matches(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags


def _parse_range(header: str, size: int) -> range | None:
    """Return the requested bytes of a file, or None if the header is not one range of bytes.

    RFC 9110 allows to ignore such a header. The range is empty if the file has none of the bytes.
    """
    match = _RANGE.fullmatch(header)
    if match is None or not any(match.groups()):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is None:  # the last bytes of the file
        return range(max(size - (last or 0), 0), size)
    if last is None:
        return range(first, size)
    return range(first, min(last + 1, size)) if first <= last else None
