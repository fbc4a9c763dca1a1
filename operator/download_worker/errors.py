"""Why a download fails, and whether another attempt could fare better."""

import errno
from typing import Final

PERMANENT: Final = frozenset(
    {
        "AddressRefused",
        "BadRedirect",
        "ChecksumMismatch",
        "InvalidPath",
        "InvalidSpec",
        "InvalidURL",
        "TooLarge",
        "TooManyRedirects",
        "UnsafePath",
    }
)
"""Reasons that no retry can help; every other one is worth another attempt."""

RETRIED_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)})
"""HTTP statuses by which a server asks for patience (RFC 9110, RFC 8470, RFC 6585)."""


class DownloadError(Exception):
    """An attempt failed.

    Attributes:
        reason: CamelCase word, as in the run's ``reason``.
        permanent: whether no retry can help.
        status: status of the last response, if there was one.
    """

    def __init__(self, reason: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status

    @property
    def permanent(self) -> bool:
        """Whether no retry can help."""
        if self.reason == "HTTPStatus":
            return self.status not in RETRIED_STATUSES
        return self.reason in PERMANENT


class StoppedError(DownloadError):
    """The container was told to stop."""

    def __init__(self) -> None:
        super().__init__("Stopped", "The download was stopped before its end.")


def of_file_system(error: OSError) -> DownloadError:
    """Say what a file system refused."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return DownloadError("NoSpace", "The volume is full: free some space or enlarge it.")
        case errno.ELOOP | errno.ENOTDIR | errno.EISDIR:
            return DownloadError(
                "UnsafePath",
                "Something else stands where the path needs a folder or its file: "
                "choose another path or move it away.",
            )
        case errno.ENAMETOOLONG:
            return DownloadError("InvalidPath", "The path is too long: shorten it.")
    return DownloadError("WriteFailed", f"The volume cannot be written: {error.strerror or error}.")
