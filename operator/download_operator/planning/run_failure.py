"""Which failure the history shows for a run: the most specific one that is known. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from download_operator.cache.objects import Job, Pod
from download_schedule.attempt.result import (
    EXIT_DONE,
    EXIT_STOPPED,
    MAX_CHARACTERS,
    Result,
    decode,
)
from download_schedule.history import JOB_DELETED

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
"""Reason: the run took longer than `spec.activeDeadlineSeconds`. The message says how its last
attempt ended."""
STOPPED_FROM_OUTSIDE: Final = frozenset({DEADLINE_EXCEEDED, JOB_DELETED})
"""Reasons of Jobs whose attempts did not end by themselves."""

_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons to wait that every container passes through."""
NO_RESULT: Final = Result()

_NEVER_STARTED: Final = "ContainerStatusUnknown"
"""Reason that the kubelet gives a container which it had not created when its Pod was deleted."""


class Failure(NamedTuple):
    """Reason and message of a failure, no longer than the resource's schema allows."""

    reason: str
    message: str

    def __str__(self) -> str:
        """Return both as one sentence, without what is empty."""
        return ": ".join(filter(None, (self.reason, self.message)))

    def to_fields(self) -> dict[str, str]:
        """Return the fields of a history entry, without what is empty."""
        fields = {"reason": self.reason, "message": self.message}
        return {name: text for name, text in fields.items() if text}


class Attempt(NamedTuple):
    """A Pod, with the worker's result if its termination message holds one."""

    pod: Pod
    result: Result

    @property
    def has_failed(self) -> bool:
        """Whether the attempt is over and the download is not done."""
        if self.pod.exit_code is None:
            return self.pod.pod_failure is not None
        return self.pod.exit_code != EXIT_DONE

    @property
    def ended_by_itself(self) -> bool:
        """False if it was told to stop, or was never started."""
        return self.pod.exit_code != EXIT_STOPPED and self.pod.exit_reason != _NEVER_STARTED


def read_attempts(pods: Iterable[Pod]) -> list[Attempt]:
    """Return the attempts of a run, oldest first."""
    ordered = sorted(pods, key=lambda pod: (pod.created, pod.uid))
    return [Attempt(pod, _decode(pod)) for pod in ordered]


def find_failure(
    job: Job, attempts: Sequence[Attempt], stored: Mapping[str, Any]
) -> Failure | None:
    """Return the failure to show for a run; None if nothing is wrong.

    Args:
        job: the run.
        attempts: its attempts, oldest first.
        stored: its entry in the stored history, or empty.
    """
    return (
        _stopped_from_outside(job, attempts, stored)
        or _last_failed_attempt(attempts)
        or _failed_job(job)
        or (_last_waiting_attempt(attempts) if job.outcome is None else None)
    )


def make_failure(reason: str, message: str) -> Failure:
    """Return a failure whose texts are cut to what the resource's schema allows."""
    return Failure(reason[: MAX_CHARACTERS["reason"]], message[: MAX_CHARACTERS["message"]])


def _stopped_from_outside(
    job: Job, attempts: Sequence[Attempt], stored: Mapping[str, Any]
) -> Failure | None:
    """What stopped the run, and how its last attempt fared until then."""
    outcome = job.outcome
    if outcome is None or outcome.reason not in STOPPED_FROM_OUTSIDE:
        return None
    telling = [attempt for attempt in attempts if attempt.ended_by_itself]
    last = (
        _last_failed_attempt(telling) or _last_waiting_attempt(telling) or _stored_failure(stored)
    )
    if not str(last):
        return make_failure(outcome.reason, outcome.message)
    message = f"{outcome.message.rstrip('.')}. The last attempt: {last}"
    return make_failure(outcome.reason, message)


def _stored_failure(stored: Mapping[str, Any]) -> Failure:
    """Return the failure in a stored entry. A message without a reason is not about a failure."""
    reason = stored.get("reason", "")
    return Failure(reason, stored.get("message", "") if reason else "")


def _last_failed_attempt(attempts: Sequence[Attempt]) -> Failure | None:
    """What the worker reported, otherwise what Kubernetes did to the Pod, otherwise the exit code.

    This also applies to a run that completed at a later attempt.
    """
    failed = [attempt for attempt in attempts if attempt.has_failed]
    if not failed:
        return None
    pod, result = failed[-1].pod, failed[-1].result
    if result.reason:
        return make_failure(result.reason, result.message or "")
    if pod.pod_failure:
        return make_failure(pod.pod_failure.reason, pod.pod_failure.message)
    return make_failure(
        pod.exit_reason or "Error", f"The container ended with exit code {pod.exit_code}."
    )


def _failed_job(job: Job) -> Failure | None:
    """What the Job itself says. It knows no more than that its attempts were used up."""
    if job.outcome is None or job.outcome.is_completed:
        return None
    return make_failure(job.outcome.reason, job.outcome.message)


def _last_waiting_attempt(attempts: Sequence[Attempt]) -> Failure | None:
    """Why the last attempt that cannot start does not start."""
    for attempt in reversed(attempts):
        waiting = attempt.pod.waiting
        if waiting and waiting.reason not in _STARTING:
            return make_failure(waiting.reason, waiting.message)
    return None


def _decode(pod: Pod) -> Result:
    """Return the worker's result, or an empty one if the Pod has none that can be read."""
    if not pod.termination_message:
        return NO_RESULT
    try:
        return decode(pod.termination_message)
    except ValueError:
        return NO_RESULT
