"""Which failures are retried, and what their messages say."""

import errno
import os
import re
from pathlib import Path

import pytest

from download_schedule.attempt.result import MAX_CHARACTERS
from download_worker.errors import (
    PERMANENT,
    DownloadError,
    Reason,
    file_system_error,
    http_status_error,
)


@pytest.mark.parametrize("status", [202, 408, 425, 429, 500, 502, 503, 504, 599])
def test_temporary_statuses_are_retried(status: int) -> None:
    assert not http_status_error(status).permanent


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 413, 416, 451, 499])
def test_other_statuses_are_permanent(status: int) -> None:
    assert http_status_error(status).permanent


def test_message_names_status_and_advice() -> None:
    assert str(http_status_error(404)) == "The server answered 404 Not Found: correct the url."
    assert str(http_status_error(599)) == "The server answered 599: another attempt may succeed."
    assert http_status_error(404).status == 404
    assert str(http_status_error(202)).endswith(
        "still preparing the file, so another attempt may succeed."
    )


def test_status_with_a_wait_is_retried_and_says_so() -> None:
    error = http_status_error(413, 30)
    assert (error.permanent, error.retry_after) == (False, 30)
    assert "and asks to come back in 30 seconds: another attempt may succeed" in str(error)


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.HTTP_STATUS}))
def test_table_decides_for_every_other_reason(reason: Reason) -> None:
    assert DownloadError(reason, "").permanent == (reason in PERMANENT)
    assert len(reason) <= MAX_CHARACTERS["reason"]


def test_reference_agrees_with_code_on_every_reason() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "failure-reasons.md"
    section = page.read_text().partition("## Reasons of the worker")[2].partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))

    assert documented.pop(Reason.HTTP_STATUS) == "202, 408, 425, 429, 5xx"
    others = set(Reason) - {Reason.HTTP_STATUS}
    assert documented == {
        reason.value: "no" if DownloadError(reason, "").permanent else "yes" for reason in others
    }


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Reason.NO_SPACE),
        (errno.EDQUOT, Reason.NO_SPACE),
        (errno.EFBIG, Reason.NO_SPACE),
        (errno.ELOOP, Reason.UNSAFE_PATH),
        (errno.ENOTDIR, Reason.UNSAFE_PATH),
        (errno.EISDIR, Reason.UNSAFE_PATH),
        (errno.ENAMETOOLONG, Reason.INVALID_PATH),
        (errno.EIO, Reason.WRITE_FAILED),
        (errno.EACCES, Reason.WRITE_FAILED),
    ],
)
def test_file_system_errors_have_a_reason(number: int, reason: Reason) -> None:
    assert file_system_error(OSError(number, os.strerror(number))).reason is reason


def test_message_has_no_control_characters() -> None:
    assert str(DownloadError(Reason.BAD_RESPONSE, "a\x1b[31mb\u202ec\n")) == "a [31mb c "
