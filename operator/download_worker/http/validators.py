"""Tell from a response whether two of them carry the same file (RFC 9110, 8.8)."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from download_worker.http.fields import list_members
from download_worker.http.messages import PARTIAL_CONTENT, Header, Request, Response

_CONTENT_RANGE: Final = re.compile(
    r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE
)
_STRONG_AGE: Final = timedelta(seconds=1)
"""Age from which a modification date tells two versions apart (RFC 9110, 8.8.2.2)."""
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_SENT_ETAG: Final = re.compile(r'(W/)?"[^"]*"|[^"*,\s]+')
"""An ETag to send back: also one with blanks inside, or without its quotes, because some servers
compare such. It is neither a list nor the asterisk, which would match every version."""
_FIRST_YEAR: Final = 1990
"""A modification date before the Web stands for none: reproducible builds set 1970 or 1980, and
their servers would call every later version unmodified."""


class PreviousFile(NamedTuple):
    """The last saved file, and what its server said about it."""

    sha256: str
    etag: str | None
    last_modified: str | None
    location: str | None
    """Where it is, as in the result document."""

    def conditional_headers(self) -> tuple[Header, ...]:
        """Return the headers that ask for 304 if the file is still the same."""
        if self.etag and self.etag.isascii() and _SENT_ETAG.fullmatch(self.etag):
            return (("If-None-Match", self.etag),)
        if self.last_modified and _is_modification_date(self.last_modified):
            return (("If-Modified-Since", self.last_modified),)
        return ()


class RemoteVersion(NamedTuple):
    """One version of a file on a server, of which a later request can ask for the rest."""

    url: str
    """Address of the first request; redirects may lead elsewhere the next time."""
    validator: str
    """Strong ETag or modification date, as in If-Range."""
    length: int | None

    def range_headers(self, offset: int) -> tuple[Header, ...]:
        """Return the headers that ask for the bytes from *offset* on, if it is still this version.

        If it is not, a server sends the whole of the new version.
        """
        return ("Range", f"bytes={offset}-"), ("If-Range", self.validator)

    def total_length(self, response: Response, offset: int) -> int | None:
        """Return the length of the file whose bytes from *offset* on are in *response* (206).

        Return None unless the response shows that it has all of them and is of this version.
        """
        headers = response.headers
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if not match or int(match[1]) != offset or _has_content_encoding(headers):
            return None
        total = self.length if match[3] == "*" else int(match[3])
        if total is None or int(match[2]) != total - 1 or self.length not in (None, total):
            return None
        if response.content_length not in (None, total - offset):
            return None
        # The server compared the validator itself; of several ETags, it may have compared any.
        etags = list_members(headers.get("etag", ""))
        is_same = self.validator in (*etags, headers.get("last-modified"))
        return total if is_same else None


def remote_version(request: Request, response: Response) -> RemoteVersion | None:
    """Return what a later attempt needs to resume; None if it has to start from the first byte.

    Args:
        request: the first one, before any redirect.
        response: the last one.
    """
    headers = response.headers
    validator = _if_range_validator(headers)
    refuses_ranges = "none" in list_members(headers.get("accept-ranges", "").lower())
    if response.status != 200 or _has_content_encoding(headers) or refuses_ranges or not validator:
        return None
    return RemoteVersion(request.url, validator, response.content_length)


def whole_length(response: Response) -> int | None:
    """Return the length of the file if *response* (206) says that it has all of it.

    It is the length as sent. Several parts (multipart/byteranges) are not the file.
    """
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if response.status != PARTIAL_CONTENT or not match or match[3] == "*":
        return None
    total = int(match[3])
    has_all = int(match[1]) == 0 and int(match[2]) == total - 1
    return total if has_all and not response.media_type.startswith("multipart/") else None


def is_weak_date(headers: Mapping[str, str]) -> bool:
    """Return whether Last-Modified is too recent to be a strong validator (RFC 9110, 8.8.2.2)."""
    age = _age(headers)
    return age is not None and age < _STRONG_AGE


def _has_content_encoding(headers: Mapping[str, str]) -> bool:
    codings = list_members(headers.get("content-encoding", "").lower())
    return bool(set(codings) - {"identity"})


def _if_range_validator(headers: Mapping[str, str]) -> str | None:
    """Return a strong ETag; without any ETag, a modification date that is strong."""
    etag = headers.get("etag", "")
    if etag:
        return etag if etag.startswith('"') and _ETAG.fullmatch(etag) else None
    age = _age(headers)
    return headers["last-modified"] if age is not None and age >= _STRONG_AGE else None


def _age(headers: Mapping[str, str]) -> timedelta | None:
    """Return the file's age by its server's clock; None if the server does not give both dates."""
    from download_worker.http.dates import parse_date  # loaded where there is a date to read

    date, modified = headers.get("date"), headers.get("last-modified")
    if not date or not modified:
        return None
    then, now = parse_date(modified), parse_date(date)
    return now - then if now and then else None


def _is_modification_date(text: str) -> bool:
    """Return whether a condition with *text* means something (RFC 9110, 13.1.3)."""
    from download_worker.http.dates import parse_date

    date = parse_date(text)
    return date is not None and date.year >= _FIRST_YEAR
