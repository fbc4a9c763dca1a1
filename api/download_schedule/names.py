"""Names, labels and annotations under which a schedule's objects are found."""

import hashlib
from typing import Final

SCHEDULE_UID_LABEL: Final = "downloads.dev/schedule-uid"
"""On the CronJob and on every Job and Pod it makes: UID of the schedule."""
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "download-operator"
SPEC_HASH_ANNOTATION: Final = "downloads.dev/spec-hash"
"""On the CronJob: digest of what the operator asked for."""
STOPPED: Final = "stopped"
"""In its place: the operator suspended the CronJob, and could ask for nothing else."""
SCHEDULED_TIME_ANNOTATION: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""Set by the CronJob controller on the Jobs it makes (Kubernetes 1.32 and later)."""

RUN_REQUESTED_ANNOTATION: Final = "downloads.dev/run-requested"
"""On the schedule, by whoever wants a run now: a token of their choice, a new one for each run."""
RUN_TOKEN_ANNOTATION: Final = "downloads.dev/run-token"  # noqa: S105 - a name, no secret
"""On the Job made for it: that token, at most 128 characters of it."""
MAX_TOKEN: Final = 128

CONTAINER: Final = "download"
"""Name of the container that downloads; a Pod's other containers say nothing about a run."""
JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
"""Set by the Job controller on its Pods."""

NAMESPACE: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""What a namespace may be called (RFC 1123 label)."""
MAX_CRON_JOB_NAME: Final = 52
"""The CronJob controller appends up to 11 characters, and a Job's name ends at 63."""

MAX_JOB_NAME: Final = 63
"""Of every Job but one made by hand with ``manualSelector``, which need not be a label's value."""

_HASH_DIGITS: Final = 8
_TOKEN_DIGITS: Final = 10


def run_request(uid: str, token: str) -> str:
    """Return the digest by which a schedule of that *uid* remembers a request: 10 characters."""
    return hashlib.sha256(f"{uid}/{token}".encode()).hexdigest()[:_TOKEN_DIGITS]


def manual_job_name(schedule: str, request: str) -> str:
    """Return the name of the Job for a :func:`run_request`, at most 63 characters.

    The same request has the same name, so that Kubernetes itself refuses to make a second one.
    """
    return f"{cron_job_name(schedule)}-{request}"


def cron_job_name(schedule: str) -> str:
    """Return the name of the CronJob of the schedule named *schedule*, at most 52 characters.

    A longer name is cut and told apart by a digest of the whole.
    """
    if len(schedule) <= MAX_CRON_JOB_NAME:
        return schedule
    digest = hashlib.sha256(schedule.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{schedule[: MAX_CRON_JOB_NAME - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"
