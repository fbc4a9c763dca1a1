"""Fetch one URL into one sink: request, decide about resuming, stream, verify, commit."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from download_schedule.attempt.result import Result
from download_worker.body import Body
from download_worker.checks import check_content_type, check_digest, check_length, check_status
from download_worker.download_request import Convert, DownloadRequest, OpenSink
from download_worker.errors import DownloadError, Reason, StoppedError, file_system_error
from download_worker.http.curl import Progress, StopRequested, exchange
from download_worker.http.messages import NOT_MODIFIED, Response
from download_worker.http.redirects import (
    follow_redirect,
    redirect_location,
    too_many_redirects,
    with_cookies,
)
from download_worker.http.validators import PreviousFile, whole_length
from download_worker.own_headers import (
    PLAIN,
    OwnHeaders,
    choose_own_headers,
    is_no_answer,
    may_be_refusal,
)
from download_worker.resume import Continue, Fresh, Restart, ResumePoint, decide_resume
from download_worker.writer import Writer

log = logging.getLogger(__name__)


def download(
    request: DownloadRequest,
    open_sink: OpenSink,
    *,
    progress: Progress,
    stopped: StopRequested,
    convert: Convert | None = None,
    previous: PreviousFile | None = None,
    resume_point: ResumePoint | None = None,
) -> tuple[Result, Response]:
    """Fetch a file and commit it to a sink; return the result and the last response.

    A server may refuse the headers that we add to the schedule's, or send what does not fit the
    resume point. Then the same attempt asks once more, as plainly as the schedule does. In the end
    the sink is committed, suspended or discarded, and the resume point is released.

    Args:
        request: what to fetch.
        open_sink: where it goes.
        progress: called about once a second.
        stopped: asked about once a second whether to give up.
        convert: makes the file from the body; None: the body is saved as it is.
        previous: the file that was saved last; the same file is not saved again.
        resume_point: what an earlier attempt left.

    Raises:
        DownloadError: the attempt failed.
    """
    attempt = _Download(request, open_sink, progress, stopped, convert, previous)
    return attempt.run(resume_point)


Outcome = tuple[Result, Response]


class _MisfitError(Exception):
    """The response does not fit the resume point, so that this is of no use."""


class _Download:
    def __init__(
        self,
        request: DownloadRequest,
        open_sink: OpenSink,
        progress: Progress,
        stopped: StopRequested,
        convert: Convert | None,
        previous: PreviousFile | None,
    ) -> None:
        self._request = request
        self._open_sink = open_sink
        self._progress = progress
        self._stopped = stopped
        self._convert = convert
        self._previous = previous
        self._own_headers = PLAIN
        """What the request says that is being made."""
        self._offset = 0
        """Bytes of the file that an earlier attempt fetched."""
        self._body: Body | None = None
        """The body that is being received."""
        self._unfinished: Writer | ResumePoint | None = None
        """Holds the bytes that have to be released at the end."""

    def run(self, resume_point: ResumePoint | None) -> Outcome:
        self._unfinished = resume_point
        resumable = False
        try:
            return self._fetch(resume_point)
        except DownloadError as error:
            resumable = not error.permanent and error.reason is not Reason.TOO_SMALL
            raise
        except OSError as error:
            refusal = file_system_error(error)
            resumable = not refusal.permanent
            raise refusal from error
        finally:
            if self._unfinished:
                self._unfinished.release(resumable)

    def _fetch(self, resume_point: ResumePoint | None) -> Outcome:
        """Ask with our own headers; if those may be at fault for a failure, ask without."""
        request = self._request
        own_headers = choose_own_headers(
            request.http,
            compressed=request.compressed,
            previous=self._previous,
            resume_point=resume_point,
        )
        if not own_headers.lines:
            return self._ask(PLAIN, None)
        resume_point = resume_point if own_headers.range else None
        if resume_point:
            resume_point.count_try()
        try:
            return self._ask(own_headers, resume_point)
        except _MisfitError:
            self._drop_unfinished()
        except DownloadError as error:
            received = self._body is not None and (self._body.is_begun or self._offset > 0)
            if not may_be_refusal(error, request.http.method, own_headers, received=received):
                raise
            log.info("asking again without %s: %s", own_headers.names, error)
            if isinstance(self._unfinished, Writer):
                self._drop_unfinished()
        try:
            return self._ask(PLAIN, None)
        except DownloadError as error:
            is_left = self._unfinished is resume_point
            if resume_point and is_left and error.reason is not Reason.STOPPED:
                resume_point.uncount_try()  # it is not at fault
            raise

    def _drop_unfinished(self) -> None:
        unfinished, self._unfinished = self._unfinished, None
        if unfinished:
            unfinished.release(resumable=False)

    def _ask(self, own_headers: OwnHeaders, resume_point: ResumePoint | None) -> Outcome:
        """Make one request, follow its redirects, and save what comes.

        Raises:
            DownloadError: it failed.
            _MisfitError: what came does not fit the resume point.
        """
        self._own_headers, self._body, self._offset = own_headers, None, 0
        with self._send() as (response, chunks):
            if self._previous and self._is_not_modified(response):
                return self._unchanged(response, self._previous), response
            decision = decide_resume(resume_point, response)
            if isinstance(decision, Restart):
                raise _MisfitError
            if isinstance(decision, Fresh):
                check_status(response, late_statuses=self._request.late_statuses)
                if is_no_answer(response, own_headers):
                    raise DownloadError(Reason.BAD_RESPONSE, "The server sent nothing.")
                resume_point = None
            check_content_type(response, self._request.content_types)
            total = decision.total_bytes if isinstance(decision, Continue) else None
            total = total or whole_length(response)
            if self._convert:
                return self._save_converted(response, chunks, self._convert, total), response
            return self._save(response, chunks, resume_point, total), response

    @contextmanager
    def _send(self) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """Send the request and follow redirects, without reading their bodies."""
        headers = self._request.http.headers + self._own_headers.lines
        request = replace(self._request.http, headers=headers)
        addresses = [request.url]
        for _ in range(self._request.max_redirects + 1):
            with exchange(
                request, self._request.connection, progress=self._report, stopped=self._stopped
            ) as (response, chunks):
                location = redirect_location(response)
                if location is None:
                    response.is_redirected = len(addresses) > 1
                    yield response, chunks
                    return
            request = follow_redirect(request, location, response.status)
            request = with_cookies(request, response)
            addresses.append(request.url)
        raise too_many_redirects(addresses, response.status)

    def _is_not_modified(self, response: Response) -> bool:
        """Return whether the response is 304 and was asked for; otherwise 304 is an error."""
        return response.status == NOT_MODIFIED and bool(self._own_headers.condition)

    def _report(self, received: int, expected: int) -> None:
        self._progress(self._offset + received, self._offset + expected if expected else 0)

    def _save(
        self,
        response: Response,
        chunks: Iterator[bytes],
        resume_point: ResumePoint | None,
        total_bytes: int | None,
    ) -> Result:
        """Save the body as it is."""
        body = self._begin_body(response, resume_point)
        writer = self._open(response, resume_point)
        for piece in body.read(chunks):
            writer.write(piece)
        check_length(response, body.position, expected=total_bytes)
        check_length(response, body.size, at_least=self._request.min_bytes)
        digest = writer.finish()
        if resume_point and self._request.sha256 not in (None, digest):
            raise _MisfitError  # the file mixes two versions, which the server has under one ETag
        check_digest(response, digest, self._request.sha256)
        return self._commit(response, writer, digest, body.size, total_bytes)

    def _save_converted(
        self,
        response: Response,
        chunks: Iterator[bytes],
        convert: Convert,
        total_bytes: int | None,
    ) -> Result:
        body = self._begin_body(response, None)
        content = body.read_all(chunks)
        check_length(response, body.position, expected=total_bytes)
        check_length(response, body.size, at_least=self._request.min_bytes)
        check_digest(response, hashlib.sha256(content).hexdigest(), self._request.sha256)
        converted = convert(response, content)
        writer = self._open(response, None)
        writer.write(converted)
        return self._commit(response, writer, writer.finish(), len(converted), total_bytes)

    def _begin_body(self, response: Response, resume_point: ResumePoint | None) -> Body:
        self._offset = resume_point.size if resume_point else 0
        self._body = Body(
            response,
            self._request.max_bytes,
            decode=self._request.compressed,
            offset=self._offset,
        )
        return self._body

    def _open(self, response: Response, resume_point: ResumePoint | None) -> Writer:
        """Open the sink, which continues from the resume point if there is one."""
        if resume_point is None:
            self._drop_unfinished()
        self._unfinished = None  # from here on, its bytes belong to the sink
        sink = self._open_sink(response, resume_point is not None)
        if resume_point:
            writer = Writer(sink, resume_point.size, resume_point.digest)
        else:
            writer = Writer(sink)
        self._unfinished = writer
        return writer

    def _commit(
        self, response: Response, writer: Writer, digest: str, size: int, total_bytes: int | None
    ) -> Result:
        if self._stopped():
            raise StoppedError
        if self._previous and self._previous.sha256 == digest:
            return self._unchanged(response, self._previous)
        may_be_cut = response.ends_with_connection and not total_bytes and size > 0
        return Result(
            bytes=size,
            sha256=digest,
            httpStatus=response.status,
            contentType=response.headers.get("content-type"),
            etag=response.headers.get("etag"),
            location=writer.commit(digest),
            lengthUnverified=may_be_cut or None,
        )

    def _unchanged(self, response: Response, previous: PreviousFile) -> Result:
        return Result(
            sha256=previous.sha256,
            httpStatus=response.status,
            etag=response.headers.get("etag"),
            location=previous.location,
            unchanged=True,
        )
