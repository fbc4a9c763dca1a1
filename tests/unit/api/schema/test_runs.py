"""Runs as callers see them, and which they ask for."""

from datetime import UTC, datetime, timedelta

import pytest

from download_api.schema.runs import Wanted, execution

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "included"),
    [
        (Wanted(None, None, None, None), True),
        (Wanted("failed", "manual", None, None), True),
        (Wanted("completed", None, None, None), False),
        (Wanted(None, "schedule", None, None), False),
        (Wanted(None, None, START, None), True),
        (Wanted(None, None, START + timedelta(seconds=1), None), False),
        (Wanted(None, None, None, START + timedelta(seconds=1)), True),
        (Wanted(None, None, None, START), False),
    ],
)
def test_which_runs_are_wanted(wanted: Wanted, included: bool) -> None:
    run = {"state": "Failed", "trigger": "Manual", "startTime": "2026-11-23T02:00:00Z"}
    assert wanted.includes(run) == included


def test_a_run_as_callers_see_it() -> None:
    run = {
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
    shown = execution("team.report", run)
    assert (shown.status, shown.success, shown.duration, shown.attempt) == ("failed", False, 90, 4)
    assert shown.error_message == "The server answered 500."
    running = execution("x", {"id": "u2", "state": "Running", "trigger": "Manual"})
    assert (running.success, running.duration, running.attempt) == (None, None, 1)
    completed = execution("x", {**run, "state": "Completed", "bytes": 7})
    assert (completed.success, completed.content_size, completed.error_message) == (True, 7, None)
