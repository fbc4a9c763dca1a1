"""Paths of resources on the API server."""

from typing import Final

from download_schedule.model import API_VERSION, PLURAL
from download_schedule.names import cron_job_name

BATCH: Final = "/apis/batch/v1"
CORE: Final = "/api/v1"
DISCOVERY: Final = "/apis/discovery.k8s.io/v1"
EVENTS: Final = "/apis/events.k8s.io/v1"
LEASES: Final = "/apis/coordination.k8s.io/v1"
SCHEDULES: Final = f"/apis/{API_VERSION}"

ALL_NAMESPACES: Final = ""


def collection(api: str, namespace: str, plural: str) -> str:
    """Return the path of the resources *plural* in a namespace, or in :data:`ALL_NAMESPACES`."""
    return f"{api}/namespaces/{namespace}/{plural}" if namespace else f"{api}/{plural}"


def schedule_path(namespace: str, name: str) -> str:
    """Return the path of a schedule."""
    return f"{collection(SCHEDULES, namespace, PLURAL)}/{name}"


def cron_job_path(namespace: str, schedule_name: str) -> str:
    """Return the path of the CronJob of the schedule with that name."""
    return f"{collection(BATCH, namespace, 'cronjobs')}/{cron_job_name(schedule_name)}"
