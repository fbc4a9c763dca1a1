"""Runs as callers see them, filter them and request them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_api.problems.problem import ProblemError
from download_api.schema.paging import Cursor
from download_api.schema.runs import (
    RunFilter,
    find_run,
    has_pending_request,
    is_run_requested,
    page_start,
    to_execution,
    to_started,
)
from download_schedule.names import RUN_REQUESTED_ANNOTATION, run_request
from tests.support.api_objects import resource

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_filter", "expected"),
    [
        (RunFilter(None, None, None, None), True),
        (RunFilter("failed", "manual", None, None), True),
        (RunFilter("completed", None, None, None), False),
        (RunFilter(None, "schedule", None, None), False),
        (RunFilter(None, None, START, None), True),
        (RunFilter(None, None, START + timedelta(seconds=1), None), False),
        (RunFilter(None, None, None, START + timedelta(seconds=1)), True),
        (RunFilter(None, None, None, START), False),
    ],
)
def test_filter_matches_status_trigger_and_start(run_filter: RunFilter, expected: bool) -> None:
    run = {"state": "Failed", "trigger": "Manual", "startTime": "2026-11-23T02:00:00Z"}
    assert run_filter.matches(run) == expected


FAILED = {
    "id": "u1",
    "job": "report-1",
    "trigger": "Schedule",
    "state": "Failed",
    "startTime": "2026-11-23T02:00:00Z",
    "completionTime": "2026-11-23T02:01:30Z",
    "attempts": 4,
    "httpStatus": 500,
    "reason": "HTTPStatus",
    "message": "The server answered 500.",
}


def test_failed_run_says_why() -> None:
    execution = to_execution("team.report", FAILED)
    assert (execution.status, execution.success) == ("failed", False)
    assert (execution.duration, execution.attempt) == (90, 4)
    assert execution.error_message == "The server answered 500."


def test_active_run_has_neither_success_nor_duration() -> None:
    execution = to_execution("x", {"id": "u2", "state": "Running", "trigger": "Manual"})
    assert (execution.success, execution.duration, execution.attempt) == (None, None, 1)


def test_completed_run_has_a_size_and_no_error() -> None:
    execution = to_execution("x", {**FAILED, "state": "Completed", "bytes": 7})
    assert (execution.success, execution.content_size) == (True, 7)
    assert execution.error_message is None


NEWEST_FIRST = [{"id": f"run-{n}", "startTime": f"2026-11-2{n}T02:00:00Z"} for n in (4, 3, 1)]


@pytest.mark.parametrize(
    ("run_id", "day", "ascending", "expected"),
    [
        ("run-4", 4, False, 1),
        ("run-2", 2, False, 2),  # no longer in the history: after run 3
        ("run-0", 0, False, 3),
        ("run-2", 2, True, 1),
    ],
)
def test_page_starts_after_the_run_of_the_cursor(
    run_id: str, day: int, ascending: bool, expected: int
) -> None:
    cursor = Cursor(key=run_id, time=f"2026-11-2{day}T02:00:00Z")
    runs = NEWEST_FIRST[::-1] if ascending else NEWEST_FIRST
    assert page_start(runs, cursor, ascending=ascending) == expected


def requested(token: str, *accepted: str) -> dict[str, Any]:
    schedule = resource()
    schedule["metadata"]["annotations"][RUN_REQUESTED_ANNOTATION] = token
    schedule["status"] = {"runRequests": [run_request("u", token) for token in accepted]}
    return schedule


def test_request_is_pending_until_the_operator_accepts_it() -> None:
    assert not has_pending_request(resource())
    assert has_pending_request(requested("a"))
    assert not has_pending_request(requested("a", "a"))


def test_request_is_known_from_the_annotation_or_the_status() -> None:
    schedule = requested("b", "a")
    assert is_run_requested(schedule, "a", None)
    assert is_run_requested(schedule, "b", None)
    assert not is_run_requested(schedule, "c", None)


def test_run_of_a_tick_is_found_by_the_name_that_was_promised() -> None:
    """Its Job has the name that the CronJob would give it."""
    schedule = resource()
    schedule["status"] = {"history": [{"id": "u1", "job": "report-29923320", "token": "once"}]}
    promised = to_started("team.report", schedule, "once", dry_run=False).execution_id
    for name in (promised, "u1", "report-29923320"):
        assert find_run(schedule, name)["id"] == "u1"
    with pytest.raises(ProblemError):
        find_run(schedule, "report-0123456789")


@pytest.mark.parametrize(
    ("dry_run", "outcome"), [(False, "requested"), (True, "would be requested")]
)
def test_started_run_has_the_name_of_its_job(dry_run: bool, outcome: str) -> None:
    started = to_started("team.report", resource(), "once", dry_run=dry_run)
    assert started.message == f"Run of schedule team.report {outcome}"
    assert started.execution_id == f"report-{run_request('u', 'once')}"


def test_skipped_run_says_why_and_is_neither_a_success_nor_a_failure() -> None:
    message = "2026-12-25 is in exclude.dates."
    entry = {**FAILED, "state": "Skipped", "reason": "Excluded", "message": message}
    execution = to_execution("x", entry)
    assert (execution.status, execution.success) == ("skipped", None)
    assert (execution.reason, execution.error_message) == ("Excluded", message)
