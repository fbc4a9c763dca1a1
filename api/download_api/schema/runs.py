"""Runs of a schedule as callers see them ("executions"), and requests for a run. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from download_api.problems.problem import ProblemError
from download_api.schema.idempotency import KEY_REUSED
from download_api.schema.models import Execution, Started
from download_api.schema.paging import Cursor
from download_schedule.model import State
from download_schedule.names import (
    RUN_REQUESTED_ANNOTATION,
    RUN_TICK_ANNOTATION,
    manual_job_name,
    run_request,
)
from download_schedule.timestamps import parse_time
from download_schedule.types import JSONObject

_SUCCESS: Final = {State.COMPLETED.value: True, State.FAILED.value: False}


@dataclass(frozen=True)
class RunFilter:
    """Which runs of a history to show. None as a member excludes nothing."""

    status: str | None
    trigger: str | None
    since: datetime | None
    until: datetime | None

    def matches(self, run: Mapping[str, Any]) -> bool:
        """Return whether to show *run*, an entry of the resource's history."""
        start = parse_time(run.get("startTime", ""))
        return (
            self.status in (None, run["state"].lower())
            and self.trigger in (None, run["trigger"].lower())
            and (self.since is None or (start is not None and start >= self.since))
            and (self.until is None or (start is not None and start < self.until))
        )


def find_run(resource: Mapping[str, Any], execution_id: str) -> JSONObject:
    """Return the run of a schedule with that id, or whose Job has or was to have that name.

    Raises:
        ProblemError: 404, the history has no such run.
    """
    for run in resource.get("status", {}).get("history", []):
        if execution_id in (run["id"], run["job"], _promised_name(resource, run)):
            entry: JSONObject = run
            return entry
    raise ProblemError(
        404,
        "execution_not_found",
        "The history has no run with that id; a run that was just requested appears in seconds.",
    )


def _promised_name(resource: Mapping[str, Any], run: Mapping[str, Any]) -> str | None:
    """Return the name of the run's Job in the response to the request for it.

    The Job of a tick has the name that the CronJob would give it, if that was free.
    """
    metadata, token = resource["metadata"], run.get("token")
    return token and manual_job_name(metadata["name"], run_request(metadata["uid"], token))


def page_start(runs: Sequence[Mapping[str, Any]], cursor: Cursor, *, ascending: bool) -> int:
    """Return the index in *runs* at which the page after *cursor* starts.

    If the cursor's run is no longer in the history, its start time says where it was.
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
    """Return the cursor for the page after the one that ends with *run*."""
    return Cursor(key=run["id"], time=run.get("startTime") or "")


def to_execution(schedule_id: str, run: Mapping[str, Any]) -> Execution:
    """Return an entry of the history as callers see it."""
    started = parse_time(run.get("startTime", ""))
    completed = parse_time(run.get("completionTime", ""))
    has_message = run["state"] in (State.FAILED, State.SKIPPED)
    return Execution(
        execution_id=run["id"],
        schedule_id=schedule_id,
        status=run["state"].lower(),
        started_at=started,
        completed_at=completed,
        duration=(completed - started).total_seconds() if started and completed else None,
        success=_SUCCESS.get(run["state"]),
        content_size=run.get("bytes"),
        attempt=max(run.get("attempts", 1), 1),
        error_message=(run.get("message") or run.get("reason")) if has_message else None,
        trigger=run["trigger"].lower(),
        scheduled_at=parse_time(run.get("scheduledTime", "")),
        reason=run.get("reason"),
        sha256=run.get("sha256"),
        http_status=run.get("httpStatus"),
        content_type=run.get("contentType"),
        location=run.get("location"),
        url=run.get("url"),
    )


def is_run_requested(resource: Mapping[str, Any], token: str, tick: str | None) -> bool:
    """Return whether a run was requested with this *token* before.

    Raises:
        ProblemError: 422, it was requested for another tick.
    """
    if token != _requested_token(resource):
        return _is_accepted(resource, token)
    if (tick or "") != resource["metadata"]["annotations"].get(RUN_TICK_ANNOTATION, ""):
        raise ProblemError(422, "idempotency_key_reused", KEY_REUSED)
    return True


def has_pending_request(resource: Mapping[str, Any]) -> bool:
    """Return whether a run was requested that the operator has not accepted yet.

    The resource has room for one request. Another one would overwrite it.
    """
    token = _requested_token(resource)
    return bool(token) and not _is_accepted(resource, token)


def _requested_token(resource: Mapping[str, Any]) -> str:
    token: str = resource["metadata"].get("annotations", {}).get(RUN_REQUESTED_ANNOTATION, "")
    return token


def _is_accepted(resource: Mapping[str, Any], token: str) -> bool:
    accepted = resource.get("status", {}).get("runRequests", ())
    return run_request(resource["metadata"]["uid"], token) in accepted


def to_started(
    schedule_id: str, resource: Mapping[str, Any], token: str, *, dry_run: bool
) -> Started:
    """Return the response to a request for a run."""
    metadata = resource["metadata"]
    outcome = "would be requested" if dry_run else "requested"
    return Started(
        success=True,
        message=f"Run of schedule {schedule_id} {outcome}",
        schedule_id=schedule_id,
        execution_id=manual_job_name(metadata["name"], run_request(metadata["uid"], token)),
        token=token,
    )
