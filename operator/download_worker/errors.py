"""Why a download fails, and whether another attempt could succeed."""

import errno
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Every word that a run's ``reason`` may be."""

    ADDRESS_REFUSED = "AddressRefused"
    BAD_REDIRECT = "BadRedirect"
    BAD_RESPONSE = "BadResponse"
    BUCKET_DENIED = "BucketDenied"
    BUCKET_NOT_FOUND = "BucketNotFound"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    CONNECTION_FAILED = "ConnectionFailed"
    CONNECTION_LOST = "ConnectionLost"
    CONNECT_TIMEOUT = "ConnectTimeout"
    HOST_NOT_FOUND = "HostNotFound"
    HTTP_STATUS = "HTTPStatus"
    INCOMPLETE_BODY = "IncompleteBody"
    INTERNAL_ERROR = "InternalError"
    INVALID_PATH = "InvalidPath"
    INVALID_SPEC = "InvalidSpec"
    INVALID_URL = "InvalidURL"
    NOT_A_PAGE = "NotAPage"
    NO_ARTICLE = "NoArticle"
    NO_SPACE = "NoSpace"
    OBJECT_EXISTS = "ObjectExists"
    RENDER_FAILED = "RenderFailed"
    RENDER_TIMEOUT = "RenderTimeout"
    STALLED = "Stalled"
    STOPPED = "Stopped"
    TLS_FAILED = "TLSFailed"
    TOO_LARGE = "TooLarge"
    TOO_MANY_REDIRECTS = "TooManyRedirects"
    TOO_SMALL = "TooSmall"
    UNSAFE_PATH = "UnsafePath"
    UPLOAD_FAILED = "UploadFailed"
    WRITE_FAILED = "WriteFailed"
    WRONG_TYPE = "WrongType"


PERMANENT: Final = frozenset(
    {
        Reason.ADDRESS_REFUSED,
        Reason.BAD_REDIRECT,
        Reason.BUCKET_DENIED,
        Reason.BUCKET_NOT_FOUND,
        Reason.CHECKSUM_MISMATCH,
        Reason.INVALID_PATH,
        Reason.INVALID_SPEC,
        Reason.INVALID_URL,
        Reason.NOT_A_PAGE,
        Reason.NO_ARTICLE,
        Reason.OBJECT_EXISTS,
        Reason.TOO_LARGE,
        Reason.TOO_MANY_REDIRECTS,
        Reason.UNSAFE_PATH,
        Reason.WRONG_TYPE,
    }
)
"""Reasons that no retry can help. ``HTTPStatus`` depends on the status; all others are retried."""

RETRIED_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)})
"""HTTP statuses that a later attempt may not get (RFC 9110, RFC 8470, RFC 6585)."""

_ADVICE: Final = {
    401: "send credentials in a header",
    403: "send credentials in a header, or ask the server's owner for access",
    404: "correct the url",
    410: "the server removed the file for good, so choose another url",
}


class DownloadError(Exception):
    """An attempt failed.

    Attributes:
        reason: as in the run's ``reason``.
        status: status of the last response, if there was one.
    """

    def __init__(self, reason: Reason, message: str, status: int | None = None) -> None:
        # The message may quote the server, and people read it in terminals.
        super().__init__("".join(c if c.isprintable() else " " for c in message))
        self.reason = reason
        self.status = status

    @property
    def permanent(self) -> bool:
        """Whether no retry can help."""
        if self.reason is Reason.HTTP_STATUS:
            return self.status not in RETRIED_STATUSES
        return self.reason in PERMANENT


class StoppedError(DownloadError):
    """The process was asked to stop."""

    def __init__(self) -> None:
        super().__init__(Reason.STOPPED, "The download was stopped before it was complete.")


def http_status_error(status: int) -> DownloadError:
    """Return the error for a status other than 2xx, with advice."""
    from http import HTTPStatus

    names = {member.value: f"{member.value} {member.phrase}" for member in HTTPStatus}
    default = (
        "another attempt may succeed"
        if status in RETRIED_STATUSES
        else "open the url yourself to see why"
    )
    return DownloadError(
        Reason.HTTP_STATUS,
        f"The server answered {names.get(status, status)}: {_ADVICE.get(status, default)}.",
        status,
    )


def file_system_error(error: OSError) -> DownloadError:
    """Return the error for what a file system refused, with advice."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return DownloadError(
                Reason.NO_SPACE, "The volume is full: free some space or enlarge it."
            )
        case errno.ELOOP | errno.ENOTDIR | errno.EISDIR:
            return DownloadError(
                Reason.UNSAFE_PATH,
                "The path leads through something that is not a folder, or names something that "
                "is not a file: choose another path, or move it out of the way.",
            )
        case errno.ENAMETOOLONG:
            return DownloadError(Reason.INVALID_PATH, "The path is too long: shorten it.")
    return DownloadError(
        Reason.WRITE_FAILED,
        f"The volume cannot be written ({error.strerror or error}): "
        "check that it is healthy and that this user may write to it.",
    )
