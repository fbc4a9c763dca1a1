"""Build the CronJob that a schedule stands for."""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from download_operator.settings import Settings
from download_operator.views import CONTAINER, Schedule
from download_schedule import cron
from download_schedule.model import API_VERSION, KIND, Spec
from download_schedule.names import (
    MANAGED_BY_LABEL,
    MANAGER,
    SCHEDULE_UID_LABEL,
    SPEC_HASH_ANNOTATION,
    cron_job_name,
)
from download_schedule.result import EXIT_PERMANENT

JOURNAL_SPAN: Final = timedelta(hours=6)
"""Finished Jobs of at least this long a time stay, so that none is lost while no operator runs."""
MIN_JOURNAL: Final = 3
MAX_JOURNAL: Final = 100

_A_LEAP_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""From when on the period is measured: always the same, so that the CronJob is."""

WORKER_USER: Final = 65532
DATA_PATH: Final = "/data"


@dataclass(frozen=True, slots=True)
class Desired:
    """What a schedule asks of Kubernetes."""

    spec: Spec
    ticks: cron.Schedule
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
    ticks = cron.parse(spec.schedule, spec.time_zone, uid=schedule.uid)
    manifest = _manifest(schedule, spec, ticks, settings)
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    manifest["metadata"]["annotations"] = {SPEC_HASH_ANNOTATION: digest}
    return Desired(spec, ticks, manifest, digest)


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(["spec", *map(str, error["loc"])])
    return f"{where}: {error['msg']}"


@lru_cache(maxsize=4096)
def journal_limit(ticks: cron.Schedule) -> int:
    """Return how many finished Jobs of each kind Kubernetes keeps: 3 to 100."""
    needed = math.ceil(JOURNAL_SPAN / ticks.period(_A_LEAP_YEAR)) + 1
    return min(max(needed, MIN_JOURNAL), MAX_JOURNAL)


def _manifest(
    schedule: Schedule, spec: Spec, ticks: cron.Schedule, settings: Settings
) -> dict[str, Any]:
    journal = journal_limit(ticks)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": cron_job_name(schedule.name),
            "namespace": schedule.namespace,
            "labels": _labels(schedule),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": schedule.name,
                    "uid": schedule.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
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
            "spec": _pod_spec(schedule, spec, settings),
        },
    }


def _pod_spec(schedule: Schedule, spec: Spec, settings: Settings) -> dict[str, Any]:
    """A Pod that Pod Security's "restricted" level admits, with nothing of the user's but data."""
    volume = spec.destination.volume
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "args": ["run"],
        "env": _environment(schedule, spec, settings),
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": WORKER_USER,
            "runAsGroup": WORKER_USER,
            "fsGroup": WORKER_USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if volume:
        container["volumeMounts"] = [{"name": "data", "mountPath": DATA_PATH}]
        claim = {"claimName": volume.claim_name}
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": claim}]
    return pod


def _environment(schedule: Schedule, spec: Spec, settings: Settings) -> list[dict[str, Any]]:
    download = {
        "url": spec.url,
        "format": spec.format.value,
        "headers": [header.to_resource() for header in spec.request.headers],
        "destination": spec.destination.to_resource() or {"discard": {}},
    }
    variables = {
        "DOWNLOAD_SPEC": _without_expansion(json.dumps(download, separators=(",", ":"))),
        "DOWNLOAD_NAMESPACE": schedule.namespace,
        "DOWNLOAD_NAME": schedule.name,
        "DOWNLOAD_WORKER_ALLOW_CIDRS": ",".join(settings.allow_cidrs),
    }
    job_name = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}
    return [
        *({"name": name, "value": value} for name, value in variables.items()),
        {"name": "DOWNLOAD_JOB", "valueFrom": job_name},
    ]


def _without_expansion(value: str) -> str:
    """Keep the kubelet from reading ``$(NAME)`` in a user's text as a reference to a variable."""
    return value.replace("$", "$$")
