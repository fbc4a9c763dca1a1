"""Runs of a schedule as callers see them, and which of them they want. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from download_api.problems import ProblemError
from download_api.schema.models import Execution, Started
from download_api.schema.paging import Cursor
from download_schedule.history import is_terminal
from download_schedule.model import State
from download_schedule.names import RUN_REQUESTED_ANNOTATION, manual_job_name, run_request
from download_schedule.timestamps import parse_time

JSON = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which runs of a history somebody wants to see; None: it does not matter."""

    status: str | None
    trigger: str | None
    since: datetime | None
    until: datetime | None

    def includes(self, run: Mapping[str, Any]) -> bool:
        """Whether *run* is one of them."""
        start = parse_time(run.get("startTime", ""))
        return (
            self.status in (None, run["state"].lower())
            and self.trigger in (None, run["trigger"].lower())
            and (self.since is None or (start is not None and start >= self.since))
            and (self.until is None or (start is not None and start < self.until))
        )


def named(resource: Mapping[str, Any], execution_id: str) -> JSON:
    """Return the run of a schedule that has that id, or whose Job has that name.

    Raises:
        ProblemError: 404, its history has none.
    """
    for run in resource.get("status", {}).get("history", []):
        if execution_id in (run["id"], run["job"]):
            found: JSON = run
            return found
    raise ProblemError(
        404,
        "execution_not_found",
        "The history has no run of that id; one just asked for appears within seconds.",
    )


def position(runs: Sequence[Mapping[str, Any]], cursor: Cursor, *, ascending: bool) -> int:
    """Return where in *runs* the page after a cursor starts.

    Of a run that is not in the history any more, the start time says where it was.
    """
    for index, run in enumerate(runs):
        if run["id"] == cursor.key:
            return index + 1
    for index, run in enumerate(runs):
        start = run.get("startTime") or ""
        if start > cursor.time if ascending else start < cursor.time:
            return index
    return len(runs)


def cursor_after(run: Mapping[str, Any]) -> Cursor:
    """Return the cursor of the page after the one that *run* ends."""
    return Cursor(key=run["id"], time=run.get("startTime") or "")


def execution(schedule_id: str, run: Mapping[str, Any]) -> Execution:
    """Return an entry of the history as callers see it."""
    started, completed = (
        parse_time(run.get("startTime", "")),
        parse_time(run.get("completionTime", "")),
    )
    failed = run["state"] == State.FAILED
    return Execution(
        execution_id=run["id"],
        schedule_id=schedule_id,
        status=run["state"].lower(),
        started_at=started,
        completed_at=completed,
        duration=(completed - started).total_seconds() if started and completed else None,
        success=run["state"] == State.COMPLETED if is_terminal(run) else None,
        content_size=run.get("bytes"),
        attempt=max(run.get("attempts", 1), 1),
        error_message=(run.get("message") or run.get("reason")) if failed else None,
        trigger=run["trigger"].lower(),
        scheduled_at=parse_time(run.get("scheduledTime", "")),
        reason=run.get("reason"),
        sha256=run.get("sha256"),
        http_status=run.get("httpStatus"),
        content_type=run.get("contentType"),
        location=run.get("location"),
    )


def is_asked_for(resource: Mapping[str, Any], token: str) -> bool:
    """Whether the run that *token* asks for was asked for before."""
    return token == _asked(resource) or _is_taken_up(resource, token)


def is_waiting(resource: Mapping[str, Any]) -> bool:
    """Whether a run is asked for that the operator does not know of yet.

    There is room for one such request only: a later one would take its place.
    """
    asked = _asked(resource)
    return bool(asked) and not _is_taken_up(resource, asked)


def _asked(resource: Mapping[str, Any]) -> str:
    asked: str = resource["metadata"].get("annotations", {}).get(RUN_REQUESTED_ANNOTATION, "")
    return asked


def _is_taken_up(resource: Mapping[str, Any], token: str) -> bool:
    known = resource.get("status", {}).get("runRequests", ())
    return run_request(resource["metadata"]["uid"], token) in known


def started(schedule_id: str, resource: Mapping[str, Any], token: str, *, dry_run: bool) -> Started:
    """Return the answer to somebody who asked for a run, or whether he could."""
    metadata = resource["metadata"]
    job = manual_job_name(metadata["name"], run_request(metadata["uid"], token))
    done = "would be asked for" if dry_run else "asked for"
    return Started(
        success=True,
        message=f"Run of schedule {schedule_id} {done}",
        schedule_id=schedule_id,
        execution_id=job,
        token=token,
    )
