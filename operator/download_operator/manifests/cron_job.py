"""Build the CronJob that a schedule stands for."""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from download_operator.cache.objects import CronJob, Schedule
from download_operator.manifests.pod import pod_spec
from download_operator.settings import Settings
from download_schedule import cron
from download_schedule.attempt.result import EXIT_PERMANENT
from download_schedule.model import API_VERSION, KIND, Format, Spec
from download_schedule.names import (
    CONTAINER,
    MANAGED_BY_LABEL,
    MANAGER,
    MAX_TOKEN,
    RUN_TOKEN_ANNOTATION,
    SCHEDULE_UID_LABEL,
    SPEC_HASH_ANNOTATION,
    cron_job_name,
    manual_job_name,
)

JOURNAL_SPAN: Final = timedelta(hours=6)
"""Finished Jobs of at least this long a time stay, so that none is lost while no operator runs."""
MIN_JOURNAL: Final = 3
MAX_JOURNAL: Final = 100

_A_LEAP_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""From when on the period is measured: always the same, so that the CronJob is."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a schedule asks of Kubernetes."""

    spec: Spec
    ticks: cron.CronSchedule
    manifest: dict[str, Any]
    spec_hash: str


def desire(schedule: Schedule, settings: Settings) -> Desired:
    """Return what *schedule* stands for. The same input gives the same output at any time.

    Raises:
        ValueError: the spec is not one that can be carried out; one sentence for each reason.
    """
    try:
        spec = Spec.model_validate(schedule.spec)
    except ValidationError as error:
        raise ValueError("; ".join(map(_sentence, error.errors()))) from None
    if spec.format is Format.PDF and not settings.pdf_image:
        raise ValueError(
            "spec.format: pdf is not available here; have whoever runs the operator set "
            "DOWNLOAD_OPERATOR_PDF_IMAGE, or write another format"
        )
    ticks = cron.parse(spec.schedule, spec.time_zone, uid=schedule.uid)
    manifest = _manifest(schedule, spec, ticks, settings)
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    manifest["metadata"]["annotations"] = {SPEC_HASH_ANNOTATION: digest}
    return Desired(spec, ticks, manifest, digest)


def manual_job(
    schedule: Schedule, desired: Desired, cron_job: CronJob, request: str
) -> dict[str, Any]:
    """Return the Job for a request: from the CronJob's template, as kubectl makes one."""
    template = desired.manifest["spec"]["jobTemplate"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": manual_job_name(schedule.name, request),
            "namespace": schedule.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": {
                "cronjob.kubernetes.io/instantiate": "manual",
                RUN_TOKEN_ANNOTATION: schedule.run_requested[:MAX_TOKEN],
            },
            "ownerReferences": [_owner("batch/v1", "CronJob", cron_job.name, cron_job.uid)],
        },
        "spec": template["spec"],
    }


def _owner(api_version: str, kind: str, name: str, uid: str) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(["spec", *map(str, error["loc"])])
    return f"{where}: {error['msg']}"


@lru_cache(maxsize=4096)
def journal_limit(ticks: cron.CronSchedule) -> int:
    """Return how many finished Jobs of each kind Kubernetes keeps: 3 to 100."""
    needed = math.ceil(JOURNAL_SPAN / ticks.shortest_gap(_A_LEAP_YEAR)) + 1
    return min(max(needed, MIN_JOURNAL), MAX_JOURNAL)


@lru_cache(maxsize=4096)
def journal_span(ticks: cron.CronSchedule) -> timedelta:
    """Return how far back the Job of every tick that brought one is still there."""
    return min(JOURNAL_SPAN, ticks.shortest_gap(_A_LEAP_YEAR) * (MAX_JOURNAL - 1))


def _manifest(
    schedule: Schedule, spec: Spec, ticks: cron.CronSchedule, settings: Settings
) -> dict[str, Any]:
    journal = journal_limit(ticks)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": cron_job_name(schedule.name),
            "namespace": schedule.namespace,
            "labels": _labels(schedule),
            "ownerReferences": [_owner(API_VERSION, KIND, schedule.name, schedule.uid)],
        },
        "spec": {
            "schedule": ticks.expression,
            "timeZone": spec.time_zone,
            "suspend": spec.suspend,
            "concurrencyPolicy": spec.concurrency_policy.value,
            "startingDeadlineSeconds": spec.starting_deadline_seconds,
            "successfulJobsHistoryLimit": journal,
            "failedJobsHistoryLimit": journal,
            "jobTemplate": {
                "metadata": {"labels": _labels(schedule)},
                "spec": _job_spec(schedule, spec, settings),
            },
        },
    }


def _labels(schedule: Schedule) -> dict[str, str]:
    return {MANAGED_BY_LABEL: MANAGER, SCHEDULE_UID_LABEL: schedule.uid}


def _job_spec(schedule: Schedule, spec: Spec, settings: Settings) -> dict[str, Any]:
    return {
        "backoffLimit": spec.backoff_limit,
        "activeDeadlineSeconds": spec.active_deadline_seconds,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": [EXIT_PERMANENT],
                    },
                },
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
            ]
        },
        "template": {
            "metadata": {"labels": _labels(schedule)},
            "spec": pod_spec(schedule, spec, settings),
        },
    }
