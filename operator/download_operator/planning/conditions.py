"""The conditions of a schedule's status: Ready (it will run) and Healthy (its last run was good).

Ready follows kstatus: True once ``observedGeneration`` is the resource's generation and Kubernetes
has the CronJob, so that ``kubectl wait --for=condition=Ready`` works.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from download_schedule.history import is_terminal
from download_schedule.model import State

JSON = dict[str, Any]

SCHEDULED: Final = "Scheduled"
SUSPENDED: Final = "Suspended"
INVALID_SPEC: Final = "InvalidSpec"
NAME_TAKEN: Final = "NameTaken"
CRON_JOB_REFUSED: Final = "CronJobRefused"
CRON_JOB_DELETING: Final = "CronJobDeleting"

MAX_MESSAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one condition says."""

    status: str
    reason: str
    message: str


def healthy(history: Iterable[Mapping[str, Any]]) -> dict[str, Verdict]:
    """Judge by the newest run that is over; say nothing before there is one."""
    last = next((run for run in history if is_terminal(run)), None)
    if last is None:
        return {}
    if last["state"] == State.COMPLETED:
        return {"Healthy": Verdict("True", "LastRunCompleted", f"{last['job']} completed.")}
    words = ": ".join(last[part] for part in ("reason", "message") if last.get(part))
    message = f"{last['job']} failed. {words}".strip()
    return {"Healthy": Verdict("False", "LastRunFailed", message)}


def merge(
    stored: Iterable[Mapping[str, Any]], verdicts: Mapping[str, Verdict], generation: int, now: str
) -> list[JSON]:
    """Return the conditions; one whose status stays keeps its ``lastTransitionTime``."""
    before = {condition["type"]: condition for condition in stored}
    return [
        {
            "type": kind,
            "status": verdict.status,
            "reason": verdict.reason,
            "message": verdict.message[:MAX_MESSAGE],
            "observedGeneration": generation,
            "lastTransitionTime": _since(before.get(kind), verdict, now),
        }
        for kind, verdict in verdicts.items()
    ]


def _since(before: Mapping[str, Any] | None, verdict: Verdict, now: str) -> str:
    if before is None or before["status"] != verdict.status:
        return now
    since: str = before["lastTransitionTime"]
    return since
