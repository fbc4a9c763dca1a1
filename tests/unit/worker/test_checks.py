"""Checks of a response and its body."""

from datetime import UTC, datetime

import pytest

from download_worker.checks import check_content_type, check_digest, check_length, check_status
from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Response

DIGEST = "a" * 64


def response(status: int = 200, content_type: str = "Text/CSV; charset=utf-8") -> Response:
    return Response("http://example.com/x", "1.1", status, {"content-type": content_type})


@pytest.mark.parametrize("status", [200, 203, 204])
def test_success_is_accepted(status: int) -> None:
    check_status(response(status))


@pytest.mark.parametrize(
    ("status", "reason"),
    [(202, Reason.HTTP_STATUS), (206, Reason.BAD_RESPONSE), (304, Reason.HTTP_STATUS)],
)
def test_other_status_is_refused(status: int, reason: Reason) -> None:
    with pytest.raises(DownloadError) as caught:
        check_status(response(status))
    assert (caught.value.reason, caught.value.status) == (reason, status)


def test_part_that_is_all_of_the_file_is_accepted() -> None:
    headers = {"content-range": "bytes 0-4/5"}
    check_status(Response("http://example.com/x", "1.1", 206, headers))


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (202, "30", 30),
        (408, "30", 30),
        (413, "30", 30),
        (429, "30", 30),
        (500, "30", 30),
        (503, "Mon, 23 Nov 2026 12:00:30 GMT", 30),
        (503, "soon", None),
        (301, "30", None),
        (403, "30", None),
        (404, "30", None),
    ],
)
def test_wait_that_a_server_asks_for_is_read(status: int, value: str, seconds: int | None) -> None:
    response_ = Response("http://example.com/x", "1.1", status, {"retry-after": value})
    with pytest.raises(DownloadError) as caught:
        check_status(response_, lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert caught.value.retry_after == seconds


def test_wait_is_read_with_a_status_that_means_not_yet() -> None:
    response_ = Response("http://example.com/x", "1.1", 404, {"retry-after": "30"})
    with pytest.raises(DownloadError) as caught:
        check_status(response_, late_statuses=(403, 404))
    assert caught.value.retry_after == 30


@pytest.mark.parametrize("accepted", [(), ("text/csv",), ("text/*",), ("a/b", "text/csv")])
def test_content_type_is_accepted(accepted: tuple[str, ...]) -> None:
    check_content_type(response(), accepted)


@pytest.mark.parametrize(
    ("actual", "message"),
    [("text/csv", "type is text/csv, not text/html or image"), ("", "type is missing, not")],
)
def test_other_content_type_is_refused(actual: str, message: str) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        check_content_type(response(content_type=actual), ("text/html", "image/*"))
    assert caught.value.reason is Reason.WRONG_TYPE


def test_digest_is_checked_where_one_is_expected() -> None:
    check_digest(response(), DIGEST, None)
    check_digest(response(), DIGEST, DIGEST)
    with pytest.raises(DownloadError, match=DIGEST) as caught:
        check_digest(response(), DIGEST, "b" * 64)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize("size", [9, 11])
def test_body_of_another_length_is_incomplete(size: int) -> None:
    check_length(response(), 10, expected=10)
    with pytest.raises(DownloadError, match=f"after {size} of 10 bytes") as caught:
        check_length(response(), size, expected=10)
    assert caught.value.reason is Reason.INCOMPLETE_BODY


def test_body_below_the_minimum_is_too_small() -> None:
    check_length(response(), 10, at_least=10)
    with pytest.raises(DownloadError, match="9 bytes, fewer than the 10") as caught:
        check_length(response(), 9, at_least=10)
    assert caught.value.reason is Reason.TOO_SMALL
