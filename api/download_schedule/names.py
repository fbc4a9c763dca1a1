"""Names, labels and annotations under which a schedule's objects are found."""

import hashlib
from typing import Final

SCHEDULE_UID_LABEL: Final = "downloads.dev/schedule-uid"
"""On the CronJob and on every Job and Pod it makes: UID of the schedule."""
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "download-operator"
SPEC_HASH_ANNOTATION: Final = "downloads.dev/spec-hash"
"""On the CronJob: digest of what the operator asked for."""
SCHEDULED_TIME_ANNOTATION: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""Set by the CronJob controller on the Jobs it makes (Kubernetes 1.32 and later)."""

JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
"""Set by the Job controller on its Pods."""

MAX_CRON_JOB_NAME: Final = 52
"""The CronJob controller appends up to 11 characters, and a Job's name ends at 63."""

_HASH_DIGITS: Final = 8


def cron_job_name(schedule: str) -> str:
    """Return the name of the CronJob of the schedule named *schedule*, at most 52 characters.

    A longer name is cut and told apart by a digest of the whole.
    """
    if len(schedule) <= MAX_CRON_JOB_NAME:
        return schedule
    digest = hashlib.sha256(schedule.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{schedule[: MAX_CRON_JOB_NAME - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"
