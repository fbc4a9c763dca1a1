"""Build the Jobs that the operator itself starts, each from its CronJob's template. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_operator.cache.objects import CronJob, Schedule
from download_operator.manifests.cron_job import DesiredState, owner_reference
from download_schedule.attempt.variables import TICK_VARIABLE
from download_schedule.names import (
    MAX_TOKEN,
    RUN_TOKEN_ANNOTATION,
    SCHEDULED_TIME_ANNOTATION,
    manual_job_name,
)
from download_schedule.timestamps import format_time
from download_schedule.types import JSONObject

_BY_HAND: Final = {"cronjob.kubernetes.io/instantiate": "manual"}
"""What ``kubectl create job --from`` writes."""


def build_manual_job(
    schedule: Schedule, desired: DesiredState, cron_job: CronJob, request: str
) -> JSONObject:
    """Return the Job for a request: the CronJob's template, as ``kubectl create job`` uses it.

    It leaves out no day, because somebody asks for this very run.
    """
    name = manual_job_name(schedule.name, request)
    annotations = requested_by_hand(schedule)
    return _job(schedule, desired, cron_job, name, annotations, desired.requested_job)


def build_tick_job(
    schedule: Schedule,
    desired: DesiredState,
    cron_job: CronJob,
    tick: datetime,
    name: str,
    annotations: Mapping[str, str],
) -> JSONObject:
    """Return the Job of a run of *tick*, which may be long past, and on a day that is left out.

    Args:
        schedule: whose run it is.
        desired: what its CronJob carries out.
        cron_job: the CronJob, which controls the Job.
        tick: goes into the Job's annotations, and into the environment of its Pods.
        name: of the Job. With :func:`download_schedule.names.tick_job_name`, Kubernetes itself
            refuses a second run of the tick, the CronJob controller's own too.
        annotations: what started the run, such as :func:`requested_by_hand`.
    """
    time = format_time(tick)
    annotations = {**annotations, SCHEDULED_TIME_ANNOTATION: time}
    spec = _with_variable(desired.requested_job, TICK_VARIABLE, time)
    return _job(schedule, desired, cron_job, name, annotations, spec)


def requested_by_hand(schedule: Schedule) -> dict[str, str]:
    """Return the annotations of a Job that the schedule's ``run-requested`` asked for."""
    return {**_BY_HAND, RUN_TOKEN_ANNOTATION: schedule.run_requested[:MAX_TOKEN]}


def _job(
    schedule: Schedule,
    desired: DesiredState,
    cron_job: CronJob,
    name: str,
    annotations: Mapping[str, str],
    spec: Mapping[str, Any],
) -> JSONObject:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": schedule.namespace,
            "labels": desired.manifest["spec"]["jobTemplate"]["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [
                owner_reference("batch/v1", "CronJob", cron_job.name, cron_job.uid)
            ],
        },
        "spec": spec,
    }


def _with_variable(job_spec: Mapping[str, Any], name: str, value: str) -> JSONObject:
    """Return the spec of a Job with one more variable for its container."""
    template = job_spec["template"]
    (container,) = template["spec"]["containers"]
    environment = [*container["env"], {"name": name, "value": value}]
    containers = [{**container, "env": environment}]
    pod = {**template["spec"], "containers": containers}
    return {**job_spec, "template": {**template, "spec": pod}}
