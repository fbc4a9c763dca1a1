"""Names of the objects that belong to a schedule."""

from datetime import UTC, datetime

import pytest

from download_schedule.names import (
    MAX_CRON_JOB_NAME,
    MAX_JOB_NAME,
    cron_job_name,
    manual_job_name,
    run_request,
    tick_job_name,
)


@pytest.mark.parametrize("name", ["report", "a" * MAX_CRON_JOB_NAME])
def test_cron_job_has_the_name_of_its_schedule(name: str) -> None:
    assert cron_job_name(name) == name


@pytest.mark.parametrize("name", ["a" * 53, "a" * 253, f"{'a' * 42}-{'b' * 20}"])
def test_longer_name_is_cut_and_gets_a_digest(name: str) -> None:
    cut = cron_job_name(name)
    assert len(cut) <= MAX_CRON_JOB_NAME
    stem, _, digest = cut.rpartition("-")
    assert name.startswith(stem)
    assert not stem.endswith("-")
    assert len(digest) == 8
    assert cut != cron_job_name(f"{name}x")


def test_manual_job_is_named_after_schedule_and_request() -> None:
    request = run_request("uid", "token")
    assert manual_job_name("report", request) == f"report-{request}"
    assert len(manual_job_name("a" * 253, request)) <= MAX_JOB_NAME


def test_request_depends_on_schedule_and_token() -> None:
    request = run_request("uid", "token")
    assert len(request) == 10
    assert run_request("uid", "token") == request
    assert run_request("uid", "other") != request
    assert run_request("other", "token") != request


def test_job_of_a_tick_is_named_as_the_cron_job_controller_names_it() -> None:
    tick = datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert tick_job_name("report", tick) == "report-29923320"
    assert len(tick_job_name("a" * 253, tick)) <= MAX_JOB_NAME
