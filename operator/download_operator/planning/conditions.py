"""The conditions of a schedule's status: Ready (it will run) and Healthy (its last run completed).

Ready follows kstatus: it is True once ``observedGeneration`` is the resource's generation and
Kubernetes has the CronJob, so that ``kubectl wait --for=condition=Ready`` works.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from download_schedule.history import is_terminal
from download_schedule.model import State
from download_schedule.types import JSONObject

_SCHEDULED: Final = "Scheduled"
"""Ready is True: Kubernetes has the CronJob."""
_SUSPENDED: Final = "Suspended"
"""Ready is True: `spec.suspend` is true, so no new runs start."""
_INVALID_SPEC: Final = "InvalidSpec"
"""Ready is False: the spec cannot be carried out; the message says what to write. A CronJob of an
earlier spec goes on. It stops if `spec.suspend` is true, or if the path leads out of the schedule's
own folder."""
_NAMESPACE_REFUSED: Final = "NamespaceRefused"
"""Ready is False: the operator serves no schedules in this namespace, which is its own or one of
Kubernetes; the message says what to do. A CronJob of an earlier version goes on. It stops if
`spec.suspend` is true, or if the path leads out of the schedule's own folder."""
_NAME_TAKEN: Final = "NameTaken"
"""Ready is False: a CronJob of the same name belongs to somebody else."""
CRON_JOB_REFUSED: Final = "CronJobRefused"
"""Ready is False: a quota, a policy or an admission webhook refuses the CronJob, or the webhook is
unavailable. The operator tries again every minute."""
_CRON_JOB_DELETING: Final = "CronJobDeleting"
"""Ready is False: somebody deleted the CronJob, and a finalizer keeps it."""
_LAST_RUN_COMPLETED: Final = "LastRunCompleted"
"""Healthy is True: the newest run that is over completed. Skipped runs do not count."""
_LAST_RUN_FAILED: Final = "LastRunFailed"
"""Healthy is False: the newest run that is over failed; the message has its reason. Skipped runs do
not count."""

MAX_MESSAGE: Final = 4096


class ConditionState(NamedTuple):
    """Status, reason and message of one condition."""

    status: str
    reason: str
    message: str


SUSPENDED: Final = ConditionState(
    "True", _SUSPENDED, "No new runs start while spec.suspend is true."
)


def scheduled(cron_job: str, has_ticks: bool = True) -> ConditionState:
    """Return the Ready condition of a schedule that fires.

    Args:
        cron_job: name of its CronJob.
        has_ticks: False if all ticks of the next year are left out.
    """
    message = f"CronJob {cron_job} starts the runs."
    if not has_ticks:
        message += (
            " But spec.exclude leaves out every tick of the next year, so that all of them end as "
            "Skipped: leave out fewer days, or suspend the schedule."
        )
    return ConditionState("True", _SCHEDULED, message)


def not_ready(reason: str, message: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob the API server refused."""
    return ConditionState("False", reason, message)


def name_taken(cron_job: str, owner: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob's name somebody else uses."""
    return not_ready(
        _NAME_TAKEN,
        f"CronJob {cron_job} exists and belongs to {owner}: "
        "give the schedule another name or delete that CronJob.",
    )


def cron_job_deleting(cron_job: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob a finalizer keeps from going."""
    return not_ready(
        _CRON_JOB_DELETING,
        f"CronJob {cron_job} is being deleted. It starts no runs until it is gone and has been "
        "created again: if it stays, find out which controller has to remove its finalizer.",
    )


def invalid_spec(message: str) -> ConditionState:
    """Return the Ready condition of a schedule whose spec cannot be carried out."""
    return not_ready(_INVALID_SPEC, message)


def namespace_refused(message: str) -> ConditionState:
    """Return the Ready condition of a schedule in a namespace that is not served."""
    return not_ready(_NAMESPACE_REFUSED, message)


def healthy(
    history: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]] = ()
) -> ConditionState | None:
    """Return the Healthy condition: how the newest run ended; None before the first end.

    A run that was skipped says nothing about the download. Where it is the only one that is left in
    the history, the condition is as *stored*.
    """
    ended = [run for run in history if is_terminal(run)]
    last = next((run for run in ended if run["state"] != State.SKIPPED), None)
    if last is None:
        return _find(stored, "Healthy") if ended else None
    if last["state"] == State.COMPLETED:
        return ConditionState("True", _LAST_RUN_COMPLETED, f"{last['job']} completed.")
    failure = ": ".join(last[field] for field in ("reason", "message") if last.get(field))
    message = f"{last['job']} failed. {failure}".strip()
    return ConditionState("False", _LAST_RUN_FAILED, message)


def merge(
    stored: Iterable[Mapping[str, Any]],
    states: Mapping[str, ConditionState],
    generation: int,
    now: str,
) -> list[JSONObject]:
    """Return the new conditions.

    ``lastTransitionTime`` stays as stored where the condition's status stays.
    """
    before = {condition["type"]: condition for condition in stored}
    return [
        {
            "type": kind,
            "status": state.status,
            "reason": state.reason,
            "message": state.message[:MAX_MESSAGE],
            "observedGeneration": generation,
            "lastTransitionTime": _last_transition(before.get(kind), state, now),
        }
        for kind, state in states.items()
    ]


def _find(stored: Iterable[Mapping[str, Any]], kind: str) -> ConditionState | None:
    for condition in stored:
        if condition["type"] == kind:
            return ConditionState(condition["status"], condition["reason"], condition["message"])
    return None


def _last_transition(before: Mapping[str, Any] | None, state: ConditionState, now: str) -> str:
    if before is None or before["status"] != state.status:
        return now
    time: str = before["lastTransitionTime"]
    return time
