"""Resume after a broken connection: what an earlier attempt left, and whether it still fits."""

from typing import Any, Protocol

from download_worker.http.messages import PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, Response
from download_worker.http.validators import RemoteVersion


class ResumePoint(Protocol):
    """The start of a file, which an earlier attempt left and whose bytes have been verified."""

    @property
    def version(self) -> RemoteVersion:
        """The version of the file on the server that the bytes belong to."""

    @property
    def size(self) -> int:
        """Verified bytes; the server has at least one more."""

    @property
    def digest(self) -> Any:
        """``hashlib`` object that has hashed those."""

    def count_try(self) -> None:
        """Note that this attempt asks for the rest, until a byte of it is saved."""

    def uncount_try(self) -> None:
        """Take that back: the server gave nothing else either."""

    def release(self, resumable: bool) -> None:
        """Leave the bytes to a later attempt if it can resume with them; otherwise remove them."""


class Fresh:
    """The response carries the file from its first byte, or no file at all."""


class Restart:
    """The response does not fit the resume point: drop that, and ask for the whole file."""


class Continue:
    """The response carries the rest of the file.

    Args:
        total_bytes: length of the whole file.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes


def decide_resume(
    resume_point: ResumePoint | None, response: Response
) -> Continue | Restart | Fresh:
    """Return what *response* is to the resume point that was asked for."""
    if resume_point is None:
        return Fresh()
    if response.status == PARTIAL_CONTENT:
        total_bytes = resume_point.version.total_length(response, resume_point.size)
        return Restart() if total_bytes is None else Continue(total_bytes)
    if response.status == RANGE_NOT_SATISFIABLE:
        return Restart()
    if response.is_success and "content-range" in response.headers:
        return Restart()  # some servers send a part with the status of the whole
    return Fresh()
