"""What an order insists on, of a response and its body."""

from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response


def check_type(response: Response, wanted: tuple[str, ...]) -> None:
    """Insist on one of these media types; none: any will do.

    Raises:
        DownloadError: it is another.
    """
    given = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if wanted and not {given, f"{given.partition('/')[0]}/*"} & set(wanted):
        raise DownloadError(
            Reason.WRONG_TYPE,
            f"The body's type is {given or 'not told'}, and not {' or '.join(wanted)}: "
            "correct verify.contentTypes or the url.",
            response.status,
        )


def check_digest(response: Response, sha256: str, wanted: str | None) -> None:
    """Insist on the digest of the body as fetched.

    Raises:
        DownloadError: it is another.
    """
    if wanted and sha256 != wanted:
        raise DownloadError(
            Reason.CHECKSUM_MISMATCH,
            f"The body's sha256 is {sha256}: correct the expected digest, "
            "or find out who changed the file.",
            response.status,
        )


def check_length(response: Response, size: int, expected: int | None, at_least: int) -> None:
    """Insist on all bytes of the body, and on enough of them.

    Args:
        response: whose body it is.
        size: bytes that came.
        expected: bytes that had to come; None: not known.
        at_least: bytes that are wanted.

    Raises:
        DownloadError: it is shorter.
    """
    if expected is not None and size != expected:
        raise DownloadError(
            Reason.INCOMPLETE_BODY,
            f"The body ended after {size} of {expected} bytes.",
            response.status,
        )
    if size < at_least:
        raise DownloadError(
            Reason.TOO_SMALL,
            f"The body has {size} bytes, and {at_least} are wanted at "
            "least: see what the server sent instead of the file.",
            response.status,
        )


def too_large(response: Response, at_most: int) -> DownloadError:
    """Say that more comes than is accepted."""
    return DownloadError(
        Reason.TOO_LARGE,
        f"The body is larger than the {at_most} bytes accepted: ask for a smaller file.",
        response.status,
    )


def too_large_to_convert(response: Response, at_most: int) -> DownloadError:
    """Say that a body does not fit into memory."""
    return DownloadError(
        Reason.TOO_LARGE,
        f"A body of more than {at_most} bytes can only be kept as it is: write format raw.",
        response.status,
    )
