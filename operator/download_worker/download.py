"""Fetch one URL into one sink: redirects, verdicts on the response, size and digest on the way."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from download_schedule.result import Result
from download_worker.errors import (
    DownloadError,
    Reason,
    StoppedError,
    of_file_system,
    of_status,
)
from download_worker.redirects import MAX_REDIRECTS, STATUSES, Request, follow
from download_worker.store import Sink
from download_worker.transfer import Limits, Response, transfer

MAX_BYTES: Final = 10 * 1024**3


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch, and what to insist on."""

    request: Request
    limits: Limits = field(default_factory=Limits)
    max_bytes: int = MAX_BYTES
    sha256: str | None = None
    """Digest that the body must have, in lower-case hexadecimal digits."""


OpenSink = Callable[[Response], Sink]
Progress = Callable[[int, int], None]


def download(
    order: Order, open_sink: OpenSink, progress: Progress, stopped: Callable[[], bool]
) -> Result:
    """Carry out *order*; return what was fetched. The sink is committed, or abandoned on failure.

    Raises:
        DownloadError: the attempt failed.
    """
    return _Download(order, open_sink, progress, stopped).run()


class _Download:
    def __init__(
        self,
        order: Order,
        open_sink: OpenSink,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        self._order = order
        self._open_sink = open_sink
        self._progress = progress
        self._stopped = stopped
        self._sink: Sink | None = None
        self._digest = hashlib.sha256()
        self._bytes = 0

    def run(self) -> Result:
        try:
            response = self._follow()
            return self._finish(response, self._begin(response))
        except OSError as error:
            raise of_file_system(error) from error
        finally:
            if self._sink is not None:
                self._sink.abandon()

    def _follow(self) -> Response:
        request = self._order.request
        for _ in range(MAX_REDIRECTS + 1):
            response = transfer(
                request, self._order.limits, self._take, self._progress, self._stopped
            )
            location = response.headers.get("location")
            if response.status not in STATUSES or location is None:
                return response
            request = follow(request, location, response.status)
        raise DownloadError(
            Reason.TOO_MANY_REDIRECTS,
            f"The server redirects more than {MAX_REDIRECTS} times: "
            "use the file's final address as url.",
            response.status,
        )

    def _take(self, response: Response, chunk: bytes) -> bool:
        if response.status in STATUSES and "location" in response.headers:
            return False  # what people would read if their browser did not follow
        sink = self._begin(response)
        self._bytes += len(chunk)
        if self._bytes > self._order.max_bytes:
            raise self._too_large(response)
        self._digest.update(chunk)
        sink.write(chunk)
        return True

    def _begin(self, response: Response) -> Sink:
        """Judge the response by its head, before the first byte of its body is kept."""
        if self._sink is not None:
            return self._sink
        if not 200 <= response.status < 300:
            raise of_status(response.status)
        if response.status == 206:
            raise DownloadError(
                Reason.BAD_RESPONSE,
                "The server sent a part of the file though all was asked for: use another url.",
                206,
            )
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._order.max_bytes:
            raise self._too_large(response)
        self._sink = self._open_sink(response)
        return self._sink

    def _finish(self, response: Response, sink: Sink) -> Result:
        digest = self._digest.hexdigest()
        if self._order.sha256 and self._order.sha256 != digest:
            raise DownloadError(
                Reason.CHECKSUM_MISMATCH,
                f"The body's sha256 is {digest}: correct the expected digest, "
                "or find out who changed the file.",
                response.status,
            )
        if self._stopped():
            raise StoppedError
        sink.commit()
        return Result(
            bytes=self._bytes,
            sha256=digest,
            httpStatus=response.status,
            contentType=response.headers.get("content-type"),
            etag=response.headers.get("etag"),
        )

    def _too_large(self, response: Response) -> DownloadError:
        return DownloadError(
            Reason.TOO_LARGE,
            f"The body is larger than the {self._order.max_bytes} bytes accepted: "
            "ask for a smaller file.",
            response.status,
        )


def failed(error: DownloadError) -> Result:
    """Return the result of an attempt that failed."""
    return Result(reason=error.reason, message=str(error), httpStatus=error.status)
