"""Where resources are in the API server's paths."""

from typing import Final

from download_operator.views import Schedule
from download_schedule.model import API_VERSION, PLURAL
from download_schedule.names import cron_job_name

BATCH: Final = "/apis/batch/v1"
CORE: Final = "/api/v1"
EVENTS: Final = "/apis/events.k8s.io/v1"
SCHEDULES: Final = f"/apis/{API_VERSION}"

EVERYWHERE: Final = ""
"""The place that is all namespaces."""


def collection(api: str, namespace: str, plural: str) -> str:
    """Return the path of a namespace's resources of one kind, or of those :data:`EVERYWHERE`."""
    return f"{api}/namespaces/{namespace}/{plural}" if namespace else f"{api}/{plural}"


def of_schedule(schedule: Schedule) -> str:
    """Return the path of a schedule."""
    return f"{collection(SCHEDULES, schedule.namespace, PLURAL)}/{schedule.name}"


def of_cron_job(schedule: Schedule) -> str:
    """Return the path of a schedule's CronJob."""
    return f"{collection(BATCH, schedule.namespace, 'cronjobs')}/{cron_job_name(schedule.name)}"
