"""What a download is asked for, and what it is given to work with."""

from collections.abc import Callable
from typing import NamedTuple

from download_schedule.attempt.task import DEFAULT_MAX_BYTES, DEFAULT_MAX_REDIRECTS
from download_worker.http.curl import ConnectionOptions
from download_worker.http.messages import Request, Response
from download_worker.sink import DiscardSink, Sink


class DownloadRequest(NamedTuple):
    """What to fetch, and what to check."""

    http: Request
    """The first request, before any redirect."""
    connection: ConnectionOptions = ConnectionOptions()
    max_redirects: int = DEFAULT_MAX_REDIRECTS
    min_bytes: int = 0
    max_bytes: int = DEFAULT_MAX_BYTES
    sha256: str | None = None
    """Digest that the body as fetched (and decoded) must have, in lower-case hexadecimal digits."""
    content_types: tuple[str, ...] = ()
    """Media types, ``type/*`` for all of a kind; empty: any."""
    compressed: bool = False
    """Ask for a compressed body, and decode it."""
    late_statuses: tuple[int, ...] = ()
    """Statuses that mean that the file is not there yet. Retry-After counts with them, too."""


OpenSink = Callable[[Response, bool], Sink]
"""Opens the sink for a response. The flag says whether to continue from the resume point."""
Convert = Callable[[Response, bytes], bytes]
"""Converts a body to the format in which it is saved.

Raises:
    DownloadError: the body cannot be converted.
"""


def open_discard_sink(_response: Response, _resuming: bool) -> Sink:
    """Open a sink that saves nothing."""
    return DiscardSink()
