"""Check the status, type, length and digest of a response."""

from collections.abc import Callable
from datetime import UTC, datetime

from download_worker.errors import WAITED_STATUSES, DownloadError, Reason, http_status_error
from download_worker.http.messages import ACCEPTED, PARTIAL_CONTENT, Response
from download_worker.http.validators import whole_length


def _utc_now() -> datetime:
    return datetime.now(UTC)


def check_status(
    response: Response,
    now: Callable[[], datetime] = _utc_now,
    *,
    late_statuses: tuple[int, ...] = (),
) -> None:
    """Check that the response carries a whole file.

    Args:
        response: whose status it is.
        now: returns the present, from which a date in Retry-After counts.
        late_statuses: those with which Retry-After counts beside the usual ones.

    Raises:
        DownloadError: the status is not 2xx or is 202, or the response carries a part of a file.
    """
    if not response.is_success or response.status == ACCEPTED:
        raise http_status_error(response.status, _retry_after(response, late_statuses, now))
    if response.status == PARTIAL_CONTENT and whole_length(response) is None:
        raise DownloadError(
            Reason.BAD_RESPONSE,
            "The server sent a part of the file, though the whole file was asked for: "
            "use another url.",
            response.status,
        )


def _retry_after(
    response: Response, late_statuses: tuple[int, ...], now: Callable[[], datetime]
) -> int | None:
    is_waited = response.status in WAITED_STATUSES or response.status in late_statuses
    if not is_waited or "retry-after" not in response.headers:
        return None
    from download_worker.http.retry_after import retry_after_seconds

    return retry_after_seconds(response.headers, now())


def check_content_type(response: Response, accepted: tuple[str, ...]) -> None:
    """Check the media type.

    Args:
        response: whose type it is.
        accepted: types, ``type/*`` for all of a kind; empty: any.

    Raises:
        DownloadError: the type is not accepted.
    """
    actual = response.media_type
    shown = actual or response.headers.get("content-type")
    if accepted and not {actual, f"{actual.partition('/')[0]}/*"} & set(accepted):
        raise DownloadError(
            Reason.WRONG_TYPE,
            f"The body's type is {shown or 'missing'}, not {' or '.join(accepted)}: "
            "correct verify.contentTypes or the url.",
            response.status,
        )


def check_digest(response: Response, sha256: str, expected: str | None) -> None:
    """Check the digest of the body as fetched, where one is expected.

    Raises:
        DownloadError: the digest is another.
    """
    if expected and sha256 != expected:
        raise DownloadError(
            Reason.CHECKSUM_MISMATCH,
            f"The body's sha256 is {sha256}: correct verify.sha256, "
            "or find out who changed the file.",
            response.status,
        )


def check_length(
    response: Response, size: int, *, expected: int | None = None, at_least: int = 0
) -> None:
    """Check that the body is complete and large enough.

    Args:
        response: whose body it is.
        size: bytes received.
        expected: bytes of the whole file; None: not known.
        at_least: bytes that the schedule asks for.

    Raises:
        DownloadError: the body is shorter.
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
            f"The body has {size} bytes, fewer than the {at_least} of verify.minBytes: "
            "see what the server sent instead of the file.",
            response.status,
        )


def too_large(response: Response, max_bytes: int) -> DownloadError:
    """Return the error for a body that is longer than the schedule accepts."""
    return DownloadError(
        Reason.TOO_LARGE,
        f"The body is larger than the {max_bytes} bytes accepted: ask for a smaller file.",
        response.status,
    )


def too_large_to_convert(response: Response, max_bytes: int) -> DownloadError:
    """Return the error for a body that does not fit into memory."""
    return DownloadError(
        Reason.TOO_LARGE,
        f"A body of more than {max_bytes} bytes cannot be converted: write format raw.",
        response.status,
    )
