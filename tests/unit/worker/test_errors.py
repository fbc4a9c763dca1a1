"""Which failures another attempt can mend."""

import errno
import os
import re
from pathlib import Path

import pytest

from download_schedule.attempt.result import MAX_CHARACTERS
from download_worker.errors import PERMANENT, DownloadError, Reason, of_file_system, of_status


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_statuses_are_retried(status: int) -> None:
    assert not of_status(status).permanent


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 416, 451, 499])
def test_other_statuses_are_not(status: int) -> None:
    assert of_status(status).permanent


def test_the_sentence_names_the_status_and_what_to_do() -> None:
    assert str(of_status(404)) == "The server answered 404 Not Found: correct the url."
    assert str(of_status(599)) == "The server answered 599: another attempt may fare better."
    assert of_status(404).status == 404


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.HTTP_STATUS}))
def test_the_table_decides_for_every_other_reason(reason: Reason) -> None:
    assert DownloadError(reason, "").permanent == (reason in PERMANENT)
    assert len(reason) <= MAX_CHARACTERS["reason"]


def test_the_guide_says_of_every_reason_what_the_code_does() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "runs.md").read_text()
    section = guide.partition("## Which failures are retried")[2].partition("\n## ")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))
    statuses = said.pop(Reason.HTTP_STATUS)
    assert statuses == "408, 425, 429, 5xx"
    others = set(Reason) - {Reason.HTTP_STATUS}
    assert said == {r.value: "no" if DownloadError(r, "").permanent else "yes" for r in others}


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
def test_what_a_file_system_refuses(number: int, reason: Reason) -> None:
    assert of_file_system(OSError(number, os.strerror(number))).reason is reason
