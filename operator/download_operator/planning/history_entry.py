"""Read one run's entry of the history from its Job and Pods."""

from collections.abc import Iterable
from typing import Any, Final

from download_operator.cache.objects import Job, Pod
from download_schedule.attempt.result import (
    EXIT_DONE,
    EXIT_STOPPED,
    MAX_CHARACTERS,
    Result,
    decode,
)
from download_schedule.history import JOB_DELETED, NO_POD
from download_schedule.model import State, Trigger
from download_schedule.names import MAX_JOB_NAME
from download_schedule.types import JSONObject

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
RESULT_UNREADABLE: Final = "ResultUnreadable"

_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons to wait that are no trouble."""
_NEVER_BEGUN: Final = "ContainerStatusUnknown"
"""What the kubelet says of a container that it had not made when its Pod was deleted."""
_STOPPED_FROM_OUTSIDE: Final = frozenset({DEADLINE_EXCEEDED, JOB_DELETED})


def run_of(job: Job, pods: Iterable[Pod], told: JSONObject | None = None) -> JSONObject:
    """Return the history entry of *job*, whose attempts are *pods*; *told* is the stored one."""
    attempts = sorted(pods, key=lambda pod: (pod.created, pod.uid))
    entry = {
        "id": job.uid,
        "job": job.name[:MAX_JOB_NAME],
        "trigger": (Trigger.SCHEDULE if job.scheduled_time else Trigger.MANUAL).value,
        "token": job.token,
        "state": _state(job, attempts).value,
        "scheduledTime": job.scheduled_time,
        "startTime": job.start_time or job.created,
        "completionTime": job.outcome.time if job.outcome else None,
        "attempts": max(job.attempts, len(attempts)),
        **_result(job, attempts),
        **_trouble(job, attempts, told or {}),
    }
    return {name: value for name, value in entry.items() if value is not None}


def without_pod(entry: JSONObject) -> JSONObject:
    """Return the entry of a run that has waited long without a Pod, and why that may be.

    Why Kubernetes makes none is not in the Job but in Events about it, which we do not read.
    """
    message = (
        "Kubernetes has made no Pod: a quota, a limit range, Pod Security or a webhook may refuse "
        f"it, or the Job is suspended. kubectl describe job {entry['job']} says more."
    )
    return {**entry, **_words(NO_POD, message)}


def result_is_missing(job: Job, pods: Iterable[Pod]) -> bool:
    """Whether *job* is over but the Pod that ended it has not been seen to end.

    The two come by watches of their own, so the Pod's last event may be the later one. Which Pod
    ended a Job that failed is not known before all have ended.
    """
    attempts = list(pods)
    if job.outcome is None or job.outcome.reason in _STOPPED_FROM_OUTSIDE or not job.attempts:
        return False
    ended = [pod.exit_code for pod in attempts if pod.exit_code is not None or pod.fate[0]]
    if job.outcome.completed:
        return EXIT_DONE not in ended
    return len(ended) < max(job.attempts, len(attempts))


def _state(job: Job, attempts: list[Pod]) -> State:
    if job.outcome:
        return State.COMPLETED if job.outcome.completed else State.FAILED
    return State.RUNNING if any(pod.started for pod in attempts) else State.PENDING


def _result(job: Job, attempts: list[Pod]) -> dict[str, Any]:
    """What the attempt that ended the run said of the file."""
    ended = [pod for pod in attempts if pod.exit_code is not None]
    if job.outcome and job.outcome.completed:
        ended = [pod for pod in ended if pod.exit_code == EXIT_DONE]
    if not ended:
        return {}
    result = _decoded(ended[-1])
    return {
        "bytes": result.bytes,
        "sha256": result.sha256,
        "httpStatus": result.httpStatus,
        "contentType": result.contentType,
        "etag": result.etag,
        "location": result.location,
        "unchanged": result.unchanged,
        "lengthUnverified": result.lengthUnverified,
    }


def _trouble(job: Job, attempts: list[Pod], told: JSONObject) -> dict[str, str]:
    """Reason and message of the last attempt that failed, or of what stopped the run."""
    outcome = job.outcome
    if outcome and outcome.reason in _STOPPED_FROM_OUTSIDE:
        last = _of_attempts([pod for pod in attempts if _speaks_for_itself(pod)]) or told
        words = ": ".join(last[word] for word in ("reason", "message") if word in last)
        before = f"{outcome.message.rstrip('.')}. The last attempt: " if words else outcome.message
        return _words(outcome.reason, before + words)
    if outcome and not any(map(_has_failed, attempts)):
        return {} if outcome.completed else _words(outcome.reason, outcome.message)
    return _of_attempts(attempts)


def _speaks_for_itself(pod: Pod) -> bool:
    """Whether it did not end with the run, told to stop or before it had begun."""
    return pod.exit_code != EXIT_STOPPED and pod.reason != _NEVER_BEGUN


def _of_attempts(attempts: list[Pod]) -> dict[str, str]:
    """Reason and message of the last attempt that failed, or of the last that cannot start."""
    failed = [pod for pod in attempts if _has_failed(pod)]
    if failed:
        return _failure(failed[-1])
    waiting = [pod for pod in attempts if not pod.started and pod.reason not in _STARTING]
    return _words(waiting[-1].reason, waiting[-1].message) if waiting else {}


def _has_failed(pod: Pod) -> bool:
    return bool(pod.fate[0]) if pod.exit_code is None else pod.exit_code != EXIT_DONE


def _failure(pod: Pod) -> dict[str, str]:
    result = _decoded(pod)
    if result.reason and result.reason != RESULT_UNREADABLE:
        return _words(result.reason, result.message or "")
    if pod.fate[0]:
        return _words(*pod.fate)
    return _words(pod.reason or "Error", f"The container ended with exit code {pod.exit_code}.")


def _decoded(pod: Pod) -> Result:
    try:
        return decode(pod.message)
    except ValueError as error:
        return Result(reason=RESULT_UNREADABLE, message=str(error))


def _words(reason: str, message: str) -> dict[str, str]:
    words = {"reason": reason, "message": message}
    return {name: text[: MAX_CHARACTERS[name]] for name, text in words.items() if text}
