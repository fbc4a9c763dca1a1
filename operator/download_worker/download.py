"""Fetch one URL into one sink: redirects, resumption, verdicts on the response and its body."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from download_schedule.attempt.result import Result
from download_worker.checks import (
    check_digest,
    check_length,
    check_type,
    too_large,
    too_large_to_convert,
)
from download_worker.errors import (
    DownloadError,
    Reason,
    StoppedError,
    of_file_system,
    of_status,
)
from download_worker.http.curl import Limits, transfer
from download_worker.http.decoding import ACCEPTED, Decoder, decoder_of
from download_worker.http.messages import Response
from download_worker.http.redirects import STATUSES, Header, Request, follow
from download_worker.http.validators import Known
from download_worker.volume.partial_files import Leftover
from download_worker.volume.safe_paths import Nowhere, Sink
from download_worker.writer import Writer

MAX_BYTES: Final = 10 * 1024**3
MAX_REDIRECTS: Final = 5
NOT_MODIFIED: Final = 304
HTTP_STATUSES: Final = range(100, 600)
"""All that a result can tell; servers make up others, such as 999."""
PACKING_BYTES: Final = 1024**2
"""What a packing may add, beside a thousandth, to a body that it cannot make smaller."""
MAX_CONVERTED: Final = 64 * 1024**2
"""Bytes of a body that is kept in another form; it is in memory as a whole."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch, and what to insist on."""

    request: Request
    limits: Limits = field(default_factory=Limits)
    max_redirects: int = MAX_REDIRECTS
    min_bytes: int = 0
    max_bytes: int = MAX_BYTES
    sha256: str | None = None
    """Digest that the body as fetched (and decoded) must have, in lower-case hexadecimal digits."""
    content_types: tuple[str, ...] = ()
    """Media types, ``type/*`` for all of a type; empty: any."""
    compressed: bool = False
    """Ask for the body packed, and keep it unpacked."""
    known: Known | None = None
    """The last file: one that is the same is not kept again."""


OpenSink = Callable[[Response, Leftover | None], Sink]
"""Opens the sink for a response that is to be kept, and goes on with the leftover if given one."""
Convert = Callable[[Response, bytes], bytes]
"""Makes what is kept from a body.

Raises:
    DownloadError: it cannot be made from that.
"""
Progress = Callable[[int, int], None]
"""Called again and again with the bytes that have come and those expected; 0: not known."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is there beside the order."""

    open_sink: OpenSink
    progress: Progress
    stopped: Callable[[], bool]
    leftover: Leftover | None = None
    """What an earlier attempt left."""
    convert: Convert | None = None
    """None: the body is kept as it came."""


def discard(_response: Response, _leftover: Leftover | None) -> Sink:
    """Open a sink that keeps nothing."""
    return Nowhere()


def download(order: Order, surroundings: Surroundings) -> Result:
    """Carry out *order*; return what was fetched. The sink is committed, or abandoned on failure.

    Raises:
        DownloadError: the attempt failed.
    """
    try:
        return _Download(order, surroundings).run()
    except _ChangedError:
        return _Download(order, replace(surroundings, leftover=None)).run()


class _ChangedError(Exception):
    """What an earlier attempt left is of no use."""


class _Download:
    def __init__(self, order: Order, surroundings: Surroundings) -> None:
        self._order = order
        self._around = surroundings
        self._leftover = surroundings.leftover
        self._writer: Writer | None = None
        self._decoder: Decoder | None = None
        self._begun = False
        self._body = bytearray()
        self._before = 0
        """Bytes that an earlier attempt fetched."""
        self._received = 0
        """Bytes of this response's body, as sent."""
        self._expected: int | None = None
        """Bytes of the whole file, where only its end is asked for."""
        self._bytes = 0

    def run(self) -> Result:
        resumable = False
        try:
            response = self._follow()
            if response.status == NOT_MODIFIED and self._order.known and self._conditions():
                return self._unchanged(response, self._order.known)
            return self._finish(response, self._begin(response))
        except DownloadError as error:
            resumable = not error.permanent and error.reason is not Reason.TOO_SMALL
            raise
        except OSError as error:
            refused = of_file_system(error)
            resumable = not refused.permanent
            raise refused from error
        finally:
            self._abandon(resumable)

    def _abandon(self, resumable: bool) -> None:
        """Nothing happens here after a commit."""
        if self._writer:
            self._writer.abandon(resumable)
        elif self._leftover:
            self._leftover.part.release(resumable)

    def _follow(self) -> Response:
        request = self._order.request
        headers = request.headers
        if self._order.compressed and not any(n.lower() == "accept-encoding" for n, _ in headers):
            headers += (("Accept-Encoding", ACCEPTED),)
        headers += self._conditions()
        if self._leftover:
            headers += self._leftover.origin.headers(self._leftover.size)
        request = replace(request, headers=headers)
        for _ in range(self._order.max_redirects + 1):
            response = transfer(
                request, self._order.limits, self._take, self._progress, self._around.stopped
            )
            location = response.headers.get("location")
            if response.status not in STATUSES or location is None:
                return response
            request = follow(request, location, response.status)
        raise DownloadError(
            Reason.TOO_MANY_REDIRECTS,
            f"The server redirects more than {self._order.max_redirects} times: "
            "use the file's final address as url.",
            response.status,
        )

    def _conditions(self) -> tuple[Header, ...]:
        """Return the headers without which 304 is no answer."""
        known = self._order.known
        return known.headers() if known and self._order.request.method == "GET" else ()

    def _progress(self, received: int, expected: int) -> None:
        before = self._before
        self._around.progress(before + received, before + expected if expected else 0)

    def _take(self, response: Response, chunk: bytes) -> bool:
        if response.status in STATUSES and "location" in response.headers:
            return False  # what people would read if their browser did not follow
        writer = self._begin(response)
        self._received += len(chunk)
        self._check_sent(response, self._received)
        for piece in self._decoder.pieces(chunk) if self._decoder else (chunk,):
            self._bytes += len(piece)
            if self._bytes > self._order.max_bytes:
                raise too_large(response, self._order.max_bytes)
            if writer:
                writer.write(piece)
            else:
                self._body += piece
                if len(self._body) > MAX_CONVERTED:
                    raise too_large_to_convert(response, MAX_CONVERTED)
        return True

    def _begin(self, response: Response) -> Writer | None:
        """Judge the response by its head, before the first byte of its body is kept."""
        if self._begun:
            return self._writer
        leftover = self._judge(response)
        before = leftover.size if leftover else 0
        check_type(response, self._order.content_types)
        self._decoder = decoder_of(response) if self._order.compressed else None
        self._check_sent(response, before + (response.announced or 0))
        self._begun = True
        return None if self._around.convert else self._open(response, leftover)

    def _check_sent(self, response: Response, size: int) -> None:
        """Judge the bytes as sent: packings can go on without end and hold nothing."""
        most = self._order.max_bytes
        if size > (most + most // 1000 + PACKING_BYTES if self._decoder else most):
            raise too_large(response, most)

    def _open(self, response: Response, leftover: Leftover | None) -> Writer:
        if self._leftover and not leftover:
            self._leftover.part.release(resumable=False)
        self._leftover = None  # from here on it is the sink's
        self._before = leftover.size if leftover else 0
        self._bytes += self._before
        sink = self._around.open_sink(response, leftover)
        self._writer = Writer(sink, self._before, leftover.digest if leftover else None)
        return self._writer

    def _judge(self, response: Response) -> Leftover | None:
        """Return the leftover if the response goes on with it; None if it begins anew."""
        leftover = self._leftover
        if leftover and response.status == 206:
            self._expected = leftover.origin.continued(response, leftover.size)
            if self._expected is None:
                raise _ChangedError
            return leftover
        if leftover and response.status == 416:
            raise _ChangedError
        if not 200 <= response.status < 300:
            raise of_status(response.status)
        if leftover and "content-range" in response.headers:
            raise _ChangedError  # some servers send a part as if it were all
        if response.status == 206:
            raise DownloadError(
                Reason.BAD_RESPONSE,
                "The server sent a part of the file though all was asked for: use another url.",
                206,
            )
        return None

    def _finish(self, response: Response, writer: Writer | None) -> Result:
        if self._decoder:
            self._decoder.finish()
        check_length(response, self._bytes, self._expected, self._order.min_bytes)
        if writer is None:
            self._check_digest(response, hashlib.sha256(self._body).hexdigest())
            writer = self._converted(response)
            digest = writer.finish()
        else:
            digest = writer.finish()
            if self._before and self._order.sha256 not in (None, digest):
                raise _ChangedError  # two versions under one ETag make a file that never was
            self._check_digest(response, digest)
        if self._around.stopped():
            raise StoppedError
        if self._order.known and self._order.known.sha256 == digest:
            return self._unchanged(response, self._order.known)
        writer.commit(digest)
        return Result(
            bytes=self._bytes,
            sha256=digest,
            httpStatus=response.status,
            contentType=response.headers.get("content-type"),
            etag=response.headers.get("etag"),
            lengthUnverified=True if self._is_unverified(response) else None,
        )

    def _is_unverified(self, response: Response) -> bool:
        return response.ends_with_connection and self._expected is None and self._bytes > 0

    def _check_digest(self, response: Response, digest: str) -> None:
        check_digest(response, digest, self._order.sha256)

    def _converted(self, response: Response) -> Writer:
        body = bytes(self._body)
        kept = self._around.convert(response, body) if self._around.convert else body
        self._bytes = len(kept)
        writer = self._open(response, None)
        writer.write(kept)
        return writer

    def _unchanged(self, response: Response, known: Known) -> Result:
        return Result(
            sha256=known.sha256,
            httpStatus=response.status,
            etag=response.headers.get("etag"),
            unchanged=True,
        )


def failed(error: DownloadError) -> Result:
    """Return the result of an attempt that failed."""
    status = error.status if error.status in HTTP_STATUSES else None
    return Result(reason=error.reason, message=str(error), httpStatus=status)
