"""Build a run's entry in the history from its Job and Pods. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from download_operator.cache.objects import Job, Pod
from download_operator.planning.run_failure import (
    STOPPED_FROM_OUTSIDE,
    Attempt,
    Failure,
    find_failure,
    make_failure,
    read_attempts,
)
from download_schedule.attempt.result import EXCLUDED, EXIT_DONE
from download_schedule.history import NO_POD
from download_schedule.model import State, Trigger, Until, WaitFor
from download_schedule.names import MAX_JOB_NAME
from download_schedule.timestamps import format_time, parse_time
from download_schedule.types import JSONObject

_RESULT_FIELDS: Final = (
    "url",
    "bytes",
    "sha256",
    "httpStatus",
    "contentType",
    "etag",
    "location",
    "unchanged",
    "lengthUnverified",
)
"""What a result and an entry both have. Its failure is judged apart, see `run_failure`."""


def build_entry(
    job: Job, pods: Iterable[Pod], stored: Mapping[str, Any] | None = None
) -> JSONObject:
    """Return the history entry of a run.

    Args:
        job: the run.
        pods: its attempts.
        stored: its entry in the stored history.
    """
    attempts = read_attempts(pods)
    skipped = _why_skipped(job, attempts)
    failure = skipped or find_failure(job, attempts, stored or {})
    entry = {
        "id": job.uid,
        "job": job.name[:MAX_JOB_NAME],
        "trigger": _trigger(job).value,
        "token": job.token,
        "state": (State.SKIPPED if skipped else _state(job, attempts)).value,
        "scheduledTime": job.scheduled_time,
        "startTime": job.start_time or job.created,
        "completionTime": job.outcome.time if job.outcome else None,
        "attempts": max(job.attempts, len(attempts)),
        **_result_fields(job, attempts),
        **(failure.to_fields() if failure else {}),
    }
    return {name: value for name, value in entry.items() if value is not None}


def without_pod(entry: JSONObject) -> JSONObject:
    """Return the entry of a run that has waited long without a Pod, with what may be the cause.

    Why Kubernetes creates no Pod is not in the Job, but in Events about it, which we do not read.
    """
    message = (
        "Kubernetes has created no Pod: a quota, a limit range, Pod Security or a webhook may "
        f"refuse it, or the Job is suspended. kubectl describe job {entry['job']} shows more."
    )
    return {**entry, **make_failure(NO_POD, message).to_fields()}


def with_wait(entry: JSONObject, wait_for: WaitFor) -> JSONObject:
    """Return the entry of a run that has just started, with how long it may wait for its file.

    Whether it waits is not in its Pod. It is in the Pod's log.
    """
    if entry["state"] != State.RUNNING or "reason" in entry:
        return entry
    end = f"for up to {wait_for.at_most_seconds} seconds"
    if "scheduledTime" in entry:
        until = _time_after(entry["scheduledTime"], wait_for.at_most_seconds)
        if until <= entry["startTime"]:
            return entry
        end = f"until {until}"
    is_late = "is not there" if wait_for.until is Until.EXISTS else "has not changed"
    message = (
        f"If the file {is_late} yet, the run looks again every {wait_for.every_seconds} seconds "
        f"{end}."
    )
    return {**entry, "message": message}


def _time_after(text: str, seconds: int) -> str:
    """Return a later time; an empty text if it is beyond what can be written."""
    time = parse_time(text)
    try:
        return format_time(time + timedelta(seconds=seconds)) if time else ""
    except OverflowError:
        return ""


def is_result_missing(job: Job, pods: Sequence[Pod]) -> bool:
    """Return whether *job* is over but the Pod that ended it has not been seen to end.

    Jobs and Pods come by watches of their own, so the Pod's last event may come later. Which Pod
    ended a failed Job is not known before all of them have ended.
    """
    if job.outcome is None or job.outcome.reason in STOPPED_FROM_OUTSIDE or not job.attempts:
        return False
    if job.outcome.is_completed:
        return all(pod.exit_code != EXIT_DONE for pod in pods)
    ended = sum(pod.exit_code is not None or pod.pod_failure is not None for pod in pods)
    return ended < max(job.attempts, len(pods))


def _trigger(job: Job) -> Trigger:
    """Return what started the run. A request for a run of a tick leaves its token on the Job."""
    if job.token or not job.scheduled_time:
        return Trigger.MANUAL
    return Trigger.SCHEDULE


def _why_skipped(job: Job, attempts: Sequence[Attempt]) -> Failure | None:
    """Return why the attempt that ended a run downloaded nothing; None if it did."""
    if job.outcome is None or not job.outcome.is_completed:
        return None
    for attempt in reversed(attempts):
        if attempt.pod.exit_code == EXIT_DONE and attempt.result.reason == EXCLUDED:
            return make_failure(EXCLUDED, attempt.result.message or "")
    return None


def _state(job: Job, attempts: Sequence[Attempt]) -> State:
    if job.outcome:
        return State.COMPLETED if job.outcome.is_completed else State.FAILED
    has_started = any(attempt.pod.has_started for attempt in attempts)
    return State.RUNNING if has_started else State.PENDING


def _result_fields(job: Job, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return what the attempt that ended the run reported about the file."""
    is_completed = job.outcome is not None and job.outcome.is_completed
    for attempt in reversed(attempts):
        code = attempt.pod.exit_code
        if code == EXIT_DONE or (code is not None and not is_completed):
            return {name: getattr(attempt.result, name) for name in _RESULT_FIELDS}
    return {}
