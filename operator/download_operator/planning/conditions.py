"""The conditions of a schedule's status: Ready (it will run) and Healthy (its last run completed).

Ready follows kstatus: it is True once ``observedGeneration`` is the resource's generation and
Kubernetes has the CronJob, so that ``kubectl wait --for=condition=Ready`` works.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from download_schedule.history import is_terminal
from download_schedule.model import State
from download_schedule.types import JSONObject

CRON_JOB_REFUSED: Final = "CronJobRefused"

MAX_MESSAGE: Final = 4096


class ConditionState(NamedTuple):
    """Status, reason and message of one condition."""

    status: str
    reason: str
    message: str


SUSPENDED: Final = ConditionState(
    "True", "Suspended", "No new runs start while spec.suspend is true."
)


def scheduled(cron_job: str) -> ConditionState:
    """Return the Ready condition of a schedule that fires."""
    return ConditionState("True", "Scheduled", f"CronJob {cron_job} starts the runs.")


def not_ready(reason: str, message: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob the API server refused."""
    return ConditionState("False", reason, message)


def name_taken(cron_job: str, owner: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob's name somebody else uses."""
    return not_ready(
        "NameTaken",
        f"CronJob {cron_job} exists and belongs to {owner}: "
        "give the schedule another name or delete that CronJob.",
    )


def cron_job_deleting(cron_job: str) -> ConditionState:
    """Return the Ready condition of a schedule whose CronJob a finalizer keeps from going."""
    return not_ready(
        "CronJobDeleting",
        f"CronJob {cron_job} is being deleted. It starts no runs until it is gone and has been "
        "created again: if it stays, find out which controller has to remove its finalizer.",
    )


def invalid_spec(message: str) -> ConditionState:
    """Return the Ready condition of a schedule whose spec cannot be carried out."""
    return not_ready("InvalidSpec", message)


def healthy(history: Iterable[Mapping[str, Any]]) -> ConditionState | None:
    """Return the Healthy condition: how the newest run ended; None before the first end."""
    last = next((run for run in history if is_terminal(run)), None)
    if last is None:
        return None
    if last["state"] == State.COMPLETED:
        return ConditionState("True", "LastRunCompleted", f"{last['job']} completed.")
    failure = ": ".join(last[field] for field in ("reason", "message") if last.get(field))
    message = f"{last['job']} failed. {failure}".strip()
    return ConditionState("False", "LastRunFailed", message)


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


def _last_transition(before: Mapping[str, Any] | None, state: ConditionState, now: str) -> str:
    if before is None or before["status"] != state.status:
        return now
    time: str = before["lastTransitionTime"]
    return time
