"""Why a download fails, and whether another attempt could succeed."""

import errno
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Every reason that the worker may report: what it means, then what to do about it."""

    ADDRESS_REFUSED = "AddressRefused"
    """The address is not public, or the administrator denies it. Ask the administrator to allow
    its range (`operator.allowCidrs`)."""
    BAD_REDIRECT = "BadRedirect"
    """The server redirects to something other than http or https, to an invalid address or one
    with a user name, from https to http, or to another origin with a body. Write the address
    that you want as `spec.url`."""
    BAD_RESPONSE = "BadResponse"
    """The response is not HTTP, is a part of the file, or has a body that is not compressed in
    the way that its headers say. Often a proxy that is still starting; if it persists, look at
    the server."""
    BUCKET_DENIED = "BucketDenied"
    """The S3 service refuses the credentials, or their right to write. Correct the Secret, or
    grant the right."""
    BUCKET_NOT_FOUND = "BucketNotFound"
    """The bucket does not exist, or not in this region. Create it, or correct `bucket`, `endpoint`
    or `region`."""
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    """The complete body does not have the digest in `verify.sha256`. Either the file or the
    expectation changed; correct the one that is wrong."""
    CONNECTION_FAILED = "ConnectionFailed"
    """No server accepts connections at the address and port. Check that it is up and that a
    NetworkPolicy lets downloads reach it."""
    CONNECTION_LOST = "ConnectionLost"
    """The connection broke during the transfer. The next attempt resumes it if it can."""
    CONNECT_TIMEOUT = "ConnectTimeout"
    """No connection was made within `request.connectTimeoutSeconds`. Raise it if the server
    is slow."""
    FILE_EXISTS = "FileExists"
    """A file that no schedule wrote is at the path. Move it away, choose another path, or write
    `overwrite: true` in `spec.destination.volume`."""
    HOST_NOT_FOUND = "HostNotFound"
    """The host name does not resolve. Correct the URL, or check the cluster's name
    servers."""
    HTTP_STATUS = "HTTPStatus"
    """The server answered with a status other than 2xx, or with 202, which is not the file yet.
    The message names the status; correct the URL or the credentials. If the server asks for a
    longer wait than fits into the run, the run fails at once, and the message says when to come
    back."""
    INCOMPLETE_BODY = "IncompleteBody"
    """Fewer bytes came than the server announced. The next attempt resumes the transfer if it
    can."""
    INTERNAL_ERROR = "InternalError"
    """A bug in the worker. Please report it with the message."""
    INVALID_CALENDAR = "InvalidCalendar"
    """The ConfigMap in `exclude.calendarRef` does not exist, has no key `dates`, or has a line
    there that is not a date. The message says which; correct the ConfigMap, and ask for a run."""
    INVALID_PATH = "InvalidPath"
    """The destination's path, with its placeholders filled in, does not name a file below the
    schedule's own folder, or is too long. Correct `path` or `key`."""
    INVALID_SPEC = "InvalidSpec"
    """The worker cannot use its configuration: worker and operator have different versions, a
    Secret's value is not a valid header or credential, or the image has no browser for
    `format: pdf`. The message says which."""
    INVALID_URL = "InvalidURL"
    """The URL is not an http or https address. Correct `spec.url`."""
    NOT_A_PAGE = "NotAPage"
    """The body is not an HTML page, which `format` needs. Use `format: raw` or `json`."""
    NOT_YET = "NotYet"
    """The file was not there, or had not changed, when the wait of `spec.waitFor` was over. Raise
    `atMostSeconds`, correct the URL, or start another run later."""
    NO_ARTICLE = "NoArticle"
    """The page contains nothing that could be kept as text, without running its scripts. Use
    `format: html`, or `pdf`, which runs them."""
    NO_SPACE = "NoSpace"
    """The volume or the bucket is full. Free some space, or enlarge it; for a volume, set
    `keepLast`."""
    OBJECT_EXISTS = "ObjectExists"
    """Another run, or somebody else, put an object under this key. Choose another key, or
    remove the object."""
    PORT_REFUSED = "PortRefused"
    """The port is neither 80 nor 443 nor above 1023. Use another, or ask the administrator to
    open it (`operator.allowPorts`, or `ports` in `operator.allow`)."""
    RENDER_FAILED = "RenderFailed"
    """The browser could not start, or died. Give its Pod more memory if it was killed."""
    RENDER_TIMEOUT = "RenderTimeout"
    """The browser produced no PDF within 120 seconds. Choose a lighter page."""
    STALLED = "Stalled"
    """The server sent nothing for `request.stallTimeoutSeconds`. Raise it if the server is
    slow."""
    STOPPED = "Stopped"
    """Kubernetes stopped the attempt before its end. Another attempt follows unless the Job
    was deleted."""
    TLS_FAILED = "TLSFailed"
    """The TLS handshake failed, for example because of a certificate. Check the server's
    certificate, or trust its authority with `operator.caConfigMap`."""
    TOO_COMPLEX = "TooComplex"
    """The page's conversion takes more memory or processor time than it may have, or crashes the
    browser. Use `format: html` or `raw`, or have the administrator give downloads more memory
    (`downloads.resources`)."""
    TOO_LARGE = "TooLarge"
    """The body exceeds `verify.maxBytes`, is too large to convert, or larger than the S3 service
    accepts. Raise the limit, or use `format: raw`."""
    TOO_MANY_REDIRECTS = "TooManyRedirects"
    """The server redirects more than `request.maxRedirects` times, or in a circle. Raise it, or
    write the final address. In a circle, send the header that the server asks for."""
    TOO_SMALL = "TooSmall"
    """The body has fewer bytes than `verify.minBytes`. Often a file that is still being
    written."""
    UNSAFE_PATH = "UnsafePath"
    """A symbolic link or a folder is in the way, or a file that another schedule wrote. Choose
    another path, or move it away."""
    UPLOAD_FAILED = "UploadFailed"
    """The S3 service is unavailable or busy, or the node's clock is off. The message quotes the
    service's error; if it persists, check the endpoint."""
    WRITE_FAILED = "WriteFailed"
    """The volume cannot be written. Check that it is healthy and that user 65532 may write to
    it."""
    WRONG_TYPE = "WrongType"
    """The media type is not one of `verify.contentTypes`. Correct the list or the URL."""


PERMANENT: Final = frozenset(
    {
        Reason.ADDRESS_REFUSED,
        Reason.BAD_REDIRECT,
        Reason.BUCKET_DENIED,
        Reason.BUCKET_NOT_FOUND,
        Reason.CHECKSUM_MISMATCH,
        Reason.FILE_EXISTS,
        Reason.INVALID_CALENDAR,
        Reason.INVALID_PATH,
        Reason.INVALID_SPEC,
        Reason.INVALID_URL,
        Reason.NOT_A_PAGE,
        Reason.NOT_YET,
        Reason.NO_ARTICLE,
        Reason.OBJECT_EXISTS,
        Reason.PORT_REFUSED,
        Reason.TOO_COMPLEX,
        Reason.TOO_LARGE,
        Reason.TOO_MANY_REDIRECTS,
        Reason.UNSAFE_PATH,
        Reason.WRONG_TYPE,
    }
)
"""Reasons that no retry can help. ``HTTPStatus`` depends on the status; all others are retried."""

RETRIED_STATUSES: Final = frozenset({202, 408, 425, 429, *range(500, 600)})
"""HTTP statuses that a later attempt may not get (RFC 9110, RFC 8470, RFC 6585)."""

WAITED_STATUSES: Final = RETRIED_STATUSES | {413}
"""Statuses with which Retry-After counts. A server that is asked for too much says with it that it
will be able to give that later (RFC 9110, 15.5.14)."""

_ADVICE: Final = {
    202: "it is still preparing the file, so another attempt may succeed",
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
        retry_after: seconds for which the server asks to wait, if it does.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        # The message may quote the server, and people read it in terminals.
        super().__init__("".join(c if c.isprintable() else " " for c in message))
        self.reason = reason
        self.status = status
        self.retry_after = retry_after

    @property
    def permanent(self) -> bool:
        """Whether no retry can help."""
        if self.reason is Reason.HTTP_STATUS:
            return self.status not in RETRIED_STATUSES and self.retry_after is None
        return self.reason in PERMANENT


class SkippedError(Exception):
    """The run's day is left out, so that there is nothing to do; the text says why."""


class StoppedError(DownloadError):
    """The process was asked to stop."""

    def __init__(self) -> None:
        super().__init__(Reason.STOPPED, "The download was stopped before it was complete.")


def status_words(status: int | None) -> str:
    """Return a status as people know it, such as ``404 Not Found``."""
    from http import HTTPStatus

    names = {member.value: f"{member.value} {member.phrase}" for member in HTTPStatus}
    return names.get(status or 0, str(status))


def in_seconds(number: int) -> str:
    """Return a number of seconds in words."""
    return f"{number} second{'' if number == 1 else 's'}"


def http_status_error(status: int, retry_after: int | None = None) -> DownloadError:
    """Return the error for a status that is not that of a whole file, with advice."""
    default = (
        "another attempt may succeed"
        if status in RETRIED_STATUSES or retry_after
        else "open the url yourself to see why"
    )
    wait = f" and asks to come back in {in_seconds(retry_after)}" if retry_after else ""
    return DownloadError(
        Reason.HTTP_STATUS,
        f"The server answered {status_words(status)}{wait}: {_ADVICE.get(status, default)}.",
        status,
        retry_after,
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
