"""Names, labels and annotations of the objects that belong to a schedule."""

import hashlib
from datetime import datetime
from typing import Final

SCHEDULE_UID_LABEL: Final = "downloads.dev/schedule-uid"
"""UID of the schedule, on its CronJob and on the CronJob's Jobs and Pods."""
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
"""On the CronJob and on every Job and Pod it makes: `download-operator`."""
MANAGER: Final = "download-operator"
SPEC_HASH_ANNOTATION: Final = "downloads.dev/spec-hash"
"""Digest of the operator's version of the CronJob, on the CronJob."""
STOPPED: Final = "stopped"
"""Stands in for the digest if the operator could only suspend the CronJob, because the schedule's
spec is invalid."""
SCHEDULED_TIME_ANNOTATION: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""The tick of a Job. The CronJob controller sets it (Kubernetes 1.32 and later). The operator sets
it on the Job of a tick that it starts itself."""

RUN_REQUESTED_ANNOTATION: Final = "downloads.dev/run-requested"
"""A token on the schedule. Setting it to a new value starts a run."""
RUN_TICK_ANNOTATION: Final = "downloads.dev/run-tick"
"""A tick on the schedule, such as `2026-11-29T02:00:00Z`. The run that the token of
`downloads.dev/run-requested` asks for is a run of this tick."""
RUN_TOKEN_ANNOTATION: Final = "downloads.dev/run-token"  # noqa: S105 - a name, not a secret
"""The same token on the Job that was created for it, cut to 128 characters."""
MAX_TOKEN: Final = 128

CONTAINER: Final = "download"
"""Name of the container that downloads. Sidecars that others add to the Pod are ignored."""
JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
"""UID of the Job, which the Job controller sets on its Pods."""

NAMESPACE: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""Pattern of a namespace's name (RFC 1123 label)."""
MAX_CRON_JOB_NAME: Final = 52
"""Longest name of a CronJob: its controller appends up to 11 characters for each Job's name."""

MAX_JOB_NAME: Final = 63
"""Longest name of a Job, because the name is also a label's value. Jobs with ``manualSelector``,
which only people create, are exempt."""

_HASH_DIGITS: Final = 8
_TOKEN_DIGITS: Final = 10


def run_request(uid: str, token: str) -> str:
    """Return the id of a request for a manual run: 10 characters from *uid* and *token*.

    *uid* is that of the schedule, so that the same token means another run of another schedule.
    """
    return hashlib.sha256(f"{uid}/{token}".encode()).hexdigest()[:_TOKEN_DIGITS]


def manual_job_name(schedule_name: str, request: str) -> str:
    """Return the name of the Job for a :func:`run_request`, at most 63 characters.

    The same request has the same name, so that Kubernetes itself refuses to create a second Job.
    """
    return f"{cron_job_name(schedule_name)}-{request}"


def tick_job_name(schedule_name: str, tick: datetime) -> str:
    """Return the name that the CronJob controller gives the Job of *tick*.

    It ends in minutes since 1970 (pkg/controller/cronjob, getTimeHashInMinutes). Kubernetes refuses
    to create a second Job of the same name, so that no tick gets two of them.
    """
    return f"{cron_job_name(schedule_name)}-{int(tick.timestamp()) // 60}"


def cron_job_name(schedule_name: str) -> str:
    """Return the name of the schedule's CronJob, at most 52 characters.

    It is the name of the schedule. A longer name is cut and gets a digest of the whole name.
    """
    if len(schedule_name) <= MAX_CRON_JOB_NAME:
        return schedule_name
    digest = hashlib.sha256(schedule_name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{schedule_name[: MAX_CRON_JOB_NAME - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"
