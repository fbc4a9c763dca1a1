"""Examples for the OpenAPI document. Each is valid for its schema."""

from typing import Final

from download_api.problems.problem import ErrorType
from download_schedule.types import JSONObject

NEW: Final[JSONObject] = {
    "name": "Daily report",
    "url": "https://example.com/report.csv",
    "cron_expression": "0 2 * * *",
    "format": "raw",
    "headers": {"Accept": "text/csv"},
}

SCHEDULE: Final[JSONObject] = {
    **NEW,
    "id": "team.daily-report",
    "secret_headers": {},
    "enabled": True,
    "time_zone": "Etc/UTC",
    "exclude": {
        "dates": ["2026-12-24/2026-12-26"],
        "weekdays": [],
        "month_days": [],
        "calendar_ref": None,
    },
    "request": {
        "method": "GET",
        "body": None,
        "compressed": False,
        "connect_timeout_seconds": 10,
        "stall_timeout_seconds": 30,
        "max_redirects": 5,
    },
    "verify": {"sha256": None, "min_bytes": 0, "max_bytes": 10737418240, "content_types": []},
    "only_if_changed": False,
    "keep_last": None,
    "destination": None,
    "wait_for": None,
    "concurrency_policy": "Forbid",
    "starting_deadline_seconds": 300,
    "backoff_limit": 3,
    "active_deadline_seconds": 3600,
    "history_limit": 20,
    "created_at": "2026-11-23T00:00:00Z",
    "next_run_time": "2026-11-24T02:00:00Z",
    "last_status": "completed",
    "namespace": "team",
    "resource": "daily-report",
    "ready": True,
    "message": None,
}

EXECUTION: Final[JSONObject] = {
    "execution_id": "0b4f4c5e-5f8e-4a3c-9d55-0a2a4f1f6f0e",
    "schedule_id": "team.daily-report",
    "status": "completed",
    "started_at": "2026-11-23T02:00:00Z",
    "completed_at": "2026-11-23T02:00:05Z",
    "duration": 5.0,
    "success": True,
    "content_size": 1024,
    "attempt": 1,
    "error_message": None,
    "trigger": "schedule",
    "scheduled_at": "2026-11-23T02:00:00Z",
    "reason": None,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "http_status": 200,
    "content_type": "text/csv",
    "location": "volume://reports/team/daily-report/20261123T020000Z-report.csv",
}

EXAMPLES: Final[JSONObject] = {
    "NewSchedule": NEW,
    "Schedule": SCHEDULE,
    "Schedules": {"schedules": [SCHEDULE], "total": 1},
    "Execution": EXECUTION,
    "History": {"executions": [EXECUTION], "total": 1, "limit": 20, "offset": 0},
    "Started": {
        "success": True,
        "message": "Run of schedule team.daily-report requested",
        "schedule_id": "team.daily-report",
        "execution_id": "daily-report-0c6fd1e9a2",
        "token": "once",
    },
    "CronPreview": {
        "cron_expression": "0 2 * * *",
        "time_zone": "Etc/UTC",
        "description": "at 02:00 every day, Etc/UTC time",
        "next_run_times": ["2026-11-24T02:00:00Z"],
        "urls": [],
        "excluded": [],
        "warnings": [],
    },
    "RunRequest": {"tick": "2026-11-23T02:00:00Z"},
    "Ticks": {
        "ticks": [
            {"tick": "2026-11-23T02:00:00Z", "outcome": "completed"},
            {"tick": "2026-11-22T02:00:00Z", "outcome": "missed"},
        ]
    },
    "Deleted": {"success": True, "message": "Schedule team.daily-report deleted"},
}
"""Examples by the name of their schema."""

PROBLEMS: Final[dict[int, tuple[ErrorType, str]]] = {
    400: (
        "invalid_cron_expression",
        "cron_expression: the minute must be from 0 to 59, and 61 is not",
    ),
    401: ("unauthorized", "Send a token or an API key."),
    403: ("forbidden", "The caller may not do this; ask for a Role that allows it."),
    404: ("schedule_not_found", "There is no schedule with that id; GET /schedules lists them."),
    409: ("conflict", "The schedule was changed at the same moment; try again."),
    410: ("content_gone", "The file was removed; choose a later run."),
    412: ("precondition_failed", "The schedule has changed since; GET it again."),
    413: ("body_too_large", "The body is larger than 1 MiB; no schedule needs that much."),
    416: ("range_not_satisfiable", "Range: the file has 1024 bytes; ask for some of them."),
    422: ("validation_error", "A member is wrong; the message names it and says what to write."),
    429: ("rate_limit_exceeded", "Too many requests or open streams; wait, or close a stream."),
    503: ("cluster_unavailable", "The cluster does not respond; try again in a few seconds."),
}
"""An example of a problem for each status."""
