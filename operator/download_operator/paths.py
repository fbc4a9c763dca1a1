"""Where resources are in the API server's paths."""

from download_operator.views import Schedule
from download_schedule.model import GROUP, PLURAL, VERSION
from download_schedule.names import cron_job_name


def of_schedule(schedule: Schedule) -> str:
    """Return the path of a schedule."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{schedule.namespace}/{PLURAL}/{schedule.name}"


def of_cron_jobs(namespace: str) -> str:
    """Return the path of a namespace's CronJobs."""
    return f"/apis/batch/v1/namespaces/{namespace}/cronjobs"


def of_cron_job(schedule: Schedule) -> str:
    """Return the path of a schedule's CronJob."""
    return f"{of_cron_jobs(schedule.namespace)}/{cron_job_name(schedule.name)}"


def of_jobs(namespace: str) -> str:
    """Return the path of a namespace's Jobs."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def of_pods(namespace: str) -> str:
    """Return the path of a namespace's Pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


def of_events(namespace: str) -> str:
    """Return the path of a namespace's Events."""
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
