"""Schedules, CronJobs, Jobs and Pods as the API server would send them."""

from datetime import UTC, datetime
from typing import Any

from download_operator.cache.objects import Schedule, parse_schedule
from download_operator.manifests.cron_job import DesiredState, build_desired_state
from download_operator.pod_egress import PodEgress
from download_operator.settings import Settings

SETTINGS = Settings(worker_image="worker:1")
TICK = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CREATED = "2026-11-23T00:00:00Z"


def schedule_manifest(version: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "team",
            "name": "report",
            "uid": "schedule-uid",
            "resourceVersion": str(version),
            "generation": 1,
            "creationTimestamp": CREATED,
        },
        "spec": {"url": "https://example.com/x", "schedule": "0 2 * * *", **spec},
    }


def schedule_object(version: int = 1, **spec: Any) -> Schedule:
    return parse_schedule(schedule_manifest(version, **spec))


def desired_state(**spec: Any) -> DesiredState:
    return build_desired_state(schedule_object(**spec), SETTINGS, PodEgress())


def cron_job_manifest(version: int = 2, generation: int = 1, **spec: Any) -> dict[str, Any]:
    manifest = desired_state(**spec).manifest
    metadata = {
        **manifest["metadata"],
        "uid": "cron-job-uid",
        "resourceVersion": str(version),
        "generation": generation,
    }
    return {**manifest, "metadata": metadata}


def job_manifest(
    number: int = 1,
    version: int = 10,
    ended: str | None = None,
    tick: datetime | None = TICK,
    active: int = 1,
) -> dict[str, Any]:
    """A Job; *ended* is Complete, Failed or None."""
    status: dict[str, Any] = {"startTime": f"2026-11-23T02:00:{number:02d}Z"}
    if ended is None:
        status["active"] = active
    else:
        status["succeeded" if ended == "Complete" else "failed"] = 1
        status["conditions"] = [
            {
                "type": ended,
                "status": "True",
                "reason": "BackoffLimitExceeded" if ended == "Failed" else "CompletionsReached",
                "message": "",
                "lastTransitionTime": f"2026-11-23T02:01:{number:02d}Z",
            }
        ]
    annotation = "batch.kubernetes.io/cronjob-scheduled-timestamp"
    return {
        "metadata": {
            "namespace": "team",
            "name": f"report-{number}",
            "uid": f"job-{number}",
            "resourceVersion": str(version),
            "creationTimestamp": f"2026-11-23T02:00:{number:02d}Z",
            "labels": {"downloads.dev/schedule-uid": "schedule-uid"},
            "annotations": {annotation: tick.isoformat()} if tick else {},
            "ownerReferences": [
                {"kind": "CronJob", "name": "report", "uid": "cron-job-uid", "controller": True}
            ],
        },
        "status": status,
    }


def pod_manifest(
    job: int = 1,
    number: int = 1,
    version: int = 20,
    exit_code: int | None = None,
    message: str = "",
    waiting: dict[str, str] | None = None,
    started: bool = True,
    reason: str = "Error",
) -> dict[str, Any]:
    """A Pod of a Job; its container runs, waits, or has ended with an exit code and a reason."""
    state: dict[str, Any] = {"running": {}} if started else {}
    if waiting:
        state = {"waiting": waiting}
    if exit_code is not None:
        state = {"terminated": {"exitCode": exit_code, "reason": reason, "message": message}}
    return {
        "metadata": {
            "namespace": "team",
            "name": f"report-{job}-{number}",
            "uid": f"pod-{job}-{number}",
            "resourceVersion": str(version),
            "creationTimestamp": f"2026-11-23T02:00:{number:02d}Z",
            "labels": {"downloads.dev/schedule-uid": "schedule-uid"},
            "ownerReferences": [
                {"kind": "Job", "name": f"report-{job}", "uid": f"job-{job}", "controller": True}
            ],
        },
        "status": {"containerStatuses": [{"name": "download", "state": state}] if state else []},
    }
