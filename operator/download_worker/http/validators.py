"""What a server says by which two answers can be known to be the same file (RFC 9110)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from download_worker.http.messages import Response
from download_worker.http.redirects import Header, Request

_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)
_STRONG: Final = timedelta(seconds=1)
"""Age from which on a date tells two versions of a file apart (RFC 9110 section 8.8.2.2)."""
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was fetched before."""

    sha256: str
    etag: str | None
    last_modified: str | None

    def headers(self) -> tuple[Header, ...]:
        """Return the headers by which a server sends nothing if nothing is new."""
        if self.etag and self.etag.isascii():
            return (("If-None-Match", self.etag),)
        if self.last_modified and self.last_modified.isascii():
            return (("If-Modified-Since", self.last_modified),)
        return ()


@dataclass(frozen=True, slots=True)
class Origin:
    """A file on a server of which a part may be fetched later on."""

    url: str
    """As asked for; redirects may lead elsewhere the next time."""
    validator: str
    """Strong ETag, or date of the last modification: as in If-Range."""
    length: int | None

    def headers(self, offset: int) -> tuple[Header, ...]:
        """Return the headers that ask for what comes from *offset* on, if it is still that file."""
        return ("Range", f"bytes={offset}-"), ("If-Range", self.validator)

    def continued(self, response: Response, offset: int) -> int | None:
        """Return the length of the whole file, if *response* (206) brings all the rest of it.

        None: it is something else, or does not say what it is.
        """
        headers = response.headers
        found = _RANGE.fullmatch(headers.get("content-range", ""))
        if not found or int(found[1]) != offset or _is_encoded(headers):
            return None
        total = self.length if found[3] == "*" else int(found[3])
        if total is None or int(found[2]) != total - 1 or self.length not in (None, total):
            return None
        of_same_file = self.validator in (headers.get("etag"), headers.get("last-modified"))
        return total if of_same_file else None


def origin_of(request: Request, response: Response) -> Origin | None:
    """Return what a later attempt needs in order to go on; None: it has to begin anew.

    Args:
        request: the first one, before any redirect.
        response: the last one.
    """
    headers = response.headers
    validator = _validator(headers)
    refuses = headers.get("accept-ranges", "").lower() == "none"
    if response.status != 200 or _is_encoded(headers) or refuses or not validator:
        return None
    return Origin(request.url, validator, response.announced)


def _is_encoded(headers: Mapping[str, str]) -> bool:
    return headers.get("content-encoding", "identity").lower() != "identity"


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what If-Range may hold: a date only where it is strong."""
    etag = headers.get("etag", "")
    if etag:
        return etag if etag.startswith('"') and _ETAG.fullmatch(etag) else None
    age = _age(headers)
    return headers["last-modified"] if age is not None and age >= _STRONG else None


def is_fresh(headers: Mapping[str, str]) -> bool:
    """Tell whether a file may have changed since under the same date of its last modification."""
    age = _age(headers)
    return age is not None and age < _STRONG


def _age(headers: Mapping[str, str]) -> timedelta | None:
    """Return how old the file is by its server's clock; None: it does not say."""
    from email.utils import parsedate_to_datetime

    date, modified = headers.get("date"), headers.get("last-modified")
    try:
        if date and modified:
            return parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (OverflowError, TypeError, ValueError):
        pass
    return None
