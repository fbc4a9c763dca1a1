"""The headers that the worker adds to those of a schedule, and when to ask without them. Pure.

A server may refuse what only we added, in any way: by a status, or by hanging up. Then the same
attempt asks once more as plainly as the schedule does, and what comes of that counts.
"""

from typing import Final, NamedTuple

from download_schedule.attempt.task import Method
from download_worker.errors import DownloadError, Reason
from download_worker.http.decoding import ACCEPTED_CODINGS
from download_worker.http.messages import Header, Request, Response
from download_worker.http.validators import PreviousFile
from download_worker.resume import ResumePoint

_CONDITIONS: Final = frozenset({"if-none-match", "if-modified-since"})
_RANGES: Final = frozenset({"range", "if-range"})
_BODY_STATUSES: Final = frozenset({200, 203, 206})
"""Statuses of a response that brings the file, or a part of it."""
_REFUSALS: Final = frozenset(
    {
        Reason.BAD_REDIRECT,
        Reason.BAD_RESPONSE,
        Reason.CONNECTION_LOST,
        Reason.HTTP_STATUS,
        Reason.INCOMPLETE_BODY,
        Reason.STALLED,
        Reason.TOO_MANY_REDIRECTS,
        Reason.WRONG_TYPE,
    }
)
"""Failures that a header can cause. None of them comes before a request has been sent."""
_CLIENT_ERRORS: Final = range(400, 500)


class OwnHeaders(NamedTuple):
    """What one request says beyond the schedule; all of it is empty in a plain request."""

    coding: tuple[Header, ...] = ()
    condition: tuple[Header, ...] = ()
    range: tuple[Header, ...] = ()

    @property
    def lines(self) -> tuple[Header, ...]:
        """All of them, in the order in which they are sent."""
        return self.coding + self.condition + self.range

    @property
    def names(self) -> str:
        """Their names, for a sentence."""
        return ", ".join(name for name, _ in self.lines)


PLAIN: Final = OwnHeaders()


def choose_own_headers(
    request: Request,
    *,
    compressed: bool,
    previous: PreviousFile | None,
    resume_point: ResumePoint | None,
) -> OwnHeaders:
    """Return what to add to the schedule's *request*. A header that is in there stays alone."""
    names = {name.lower() for name, _ in request.headers}
    coding: tuple[Header, ...] = ()
    condition: tuple[Header, ...] = ()
    rest: tuple[Header, ...] = ()
    if compressed and "accept-encoding" not in names:
        coding = (("Accept-Encoding", ACCEPTED_CODINGS),)
    if request.method is Method.GET:
        if previous and not names & _CONDITIONS:
            condition = previous.conditional_headers()
        if resume_point and not names & _RANGES:
            rest = resume_point.version.range_headers(resume_point.size)
    return OwnHeaders(coding, condition, rest)


def may_be_refusal(
    error: DownloadError, method: Method, own_headers: OwnHeaders, *, received: bool
) -> bool:
    """Return whether a request without our headers may succeed where one with them failed.

    A POST may have been carried out, so it is sent again only after a status of the client's
    fault. Of a body that has begun, only its coding can be what our headers brought about.

    Args:
        error: what came of the request.
        method: of the schedule's request.
        own_headers: what it said beyond the schedule.
        received: whether a part of the body was received.
    """
    if not own_headers.lines or error.reason not in _REFUSALS:
        return False
    if method is Method.POST:
        return error.reason is Reason.HTTP_STATUS and error.status in _CLIENT_ERRORS
    return not received or bool(own_headers.coding and error.reason is Reason.BAD_RESPONSE)


def is_no_answer(response: Response, own_headers: OwnHeaders) -> bool:
    """Return whether a success brings nothing, although a condition or a range was asked for.

    Such a response (204, 205, or an empty 200) may mean "no news" or "no such range". A file that
    is empty now says the same to a plain request.
    """
    if not own_headers.condition and not own_headers.range:
        return False
    return response.status not in _BODY_STATUSES or response.content_length == 0
