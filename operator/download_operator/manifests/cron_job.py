"""Build the CronJob of a schedule. Pure."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from download_operator.cache.objects import Schedule
from download_operator.manifests.pod import build_pod_spec
from download_operator.pod_egress import PodEgress
from download_operator.settings import Settings
from download_schedule import cron
from download_schedule.attempt.exclusion import Exclusion
from download_schedule.attempt.folders import is_confined, own_folder
from download_schedule.attempt.result import EXIT_PERMANENT
from download_schedule.model import API_VERSION, DEFAULT_PATH, KIND, Exclude, Format, Spec
from download_schedule.names import (
    CONTAINER,
    MANAGED_BY_LABEL,
    MANAGER,
    SCHEDULE_UID_LABEL,
    SPEC_HASH_ANNOTATION,
    cron_job_name,
)
from download_schedule.types import JSONObject

JOB_RETENTION: Final = timedelta(hours=6)
"""How long Kubernetes keeps finished Jobs, so that no run is lost while no operator runs."""
MIN_JOBS: Final = 3
MAX_JOBS: Final = 100

_REFERENCE_DATE: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Where the period is measured. It is fixed, so that the same schedule always yields the same
CronJob; the year is a leap year, so that 29 February fires."""


class ScheduleRefusedError(ValueError):
    """The operator does not carry out a schedule.

    Args:
        problem: what cannot be carried out.
        forbidden: what the operator's administrator forbids, and so forbids to earlier specs.

    Attributes:
        must_stop: whether the CronJob of an earlier spec must stop, too.
    """

    def __init__(self, problem: str = "", forbidden: str = "") -> None:
        super().__init__("; ".join(filter(None, (problem, forbidden))))
        self.must_stop = bool(forbidden)


class NamespaceRefusedError(ScheduleRefusedError):
    """The operator does not carry out schedules of this namespace."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What a schedule asks of Kubernetes."""

    spec: Spec
    cron: cron.CronSchedule
    manifest: JSONObject
    spec_hash: str
    requested_job: JSONObject
    """Spec of the Jobs that people request, which no day leaves out."""

    @property
    def exclusion(self) -> Exclusion | None:
        """The days that are left out."""
        return self.spec.exclude.read_in(self.spec.time_zone)


def build_desired_state(schedule: Schedule, settings: Settings, egress: PodEgress) -> DesiredState:
    """Return what *schedule* asks for. The same input gives the same output at any time.

    Args:
        schedule: whose CronJob it is.
        settings: the operator's settings.
        egress: where downloads in the schedule's namespace may connect to.

    Raises:
        NamespaceRefusedError: the schedule is in a namespace that is not served.
        ScheduleRefusedError: the spec cannot be carried out; one sentence for each reason.
    """
    forbidden = _forbidden_path(schedule, settings)
    if refusal := settings.served.refusal(schedule.namespace):
        raise NamespaceRefusedError(refusal, forbidden)
    try:
        desired = _build_desired_state(schedule, settings, egress)
    except ValueError as error:
        raise ScheduleRefusedError(str(error), forbidden) from None
    if forbidden:
        raise ScheduleRefusedError(forbidden=forbidden)
    return desired


def _build_desired_state(schedule: Schedule, settings: Settings, egress: PodEgress) -> DesiredState:
    try:
        spec = Spec.model_validate(schedule.spec)
    except ValidationError as error:
        raise ValueError("; ".join(map(_sentence, error.errors()))) from None
    if spec.format is Format.PDF and not settings.pdf_image:
        raise ValueError(
            "spec.format: pdf is not available in this cluster; ask the operator's administrator "
            "to set DOWNLOAD_OPERATOR_PDF_IMAGE, or write another format"
        )
    parsed = cron.parse(spec.schedule, spec.time_zone, uid=schedule.uid)
    pod = build_pod_spec(schedule, spec, settings, egress)
    manifest = _manifest(schedule, spec, parsed, pod)
    requested_job = manifest["spec"]["jobTemplate"]["spec"]
    if spec.exclude.read_in(spec.time_zone):
        without = spec.model_copy(update={"exclude": Exclude()})
        pod = build_pod_spec(schedule, without, settings, egress)
        requested_job = _job_spec(schedule, spec, pod)
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    manifest["metadata"]["annotations"] = {SPEC_HASH_ANNOTATION: digest}
    return DesiredState(spec, parsed, manifest, digest, requested_job)


def _forbidden_path(schedule: Schedule, settings: Settings) -> str:
    """Return what is wrong with a path out of the schedule's own folder; empty if nothing is.

    It looks at the spec as it is stored. Another error in it must not keep the path from being
    forbidden. The worker refuses the path once more.
    """
    destination = schedule.spec.get("destination") or {}
    named = destination.get("volume")
    if named is not None:
        path = named.get("path", DEFAULT_PATH)
    elif not _names_any(destination) and settings.default_destination.volume:
        path = settings.default_destination.volume.path
    else:
        return ""
    namespace, name = schedule.namespace, schedule.name
    leads_out = ".." in path.split("/") or not is_confined(path, namespace, name)
    if settings.free_paths or not leads_out:
        return ""
    rest = path.removeprefix("{namespace}/").removeprefix("{name}/")
    if named is None:
        return (
            f"spec.destination: the operator's default path {path!r} leads out of "
            f"{own_folder(namespace, name)}, this schedule's own folder on the claim; ask the "
            f"operator's administrator to write {{namespace}}/{{name}}/{rest} in "
            "DOWNLOAD_OPERATOR_DEFAULT_DESTINATION, or set spec.destination"
        )
    return (
        f"spec.destination.volume.path: {path!r} leads out of "
        f"{own_folder(namespace, name)}, this schedule's own folder on the claim; write "
        f"{{namespace}}/{{name}}/{rest}, or ask the operator's administrator to set "
        "DOWNLOAD_OPERATOR_FREE_PATHS"
    )


def _names_any(destination: Mapping[str, object]) -> bool:
    return any(value is not None for value in destination.values())


def owner_reference(api_version: str, kind: str, name: str, uid: str) -> JSONObject:
    """Return the reference to the one object that controls another."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _sentence(error: ErrorDetails) -> str:
    field = ".".join(["spec", *map(str, error["loc"])])
    return f"{field}: {error['msg']}"


@lru_cache(maxsize=4096)
def jobs_to_keep(parsed: cron.CronSchedule) -> int:
    """Return how many finished Jobs of each kind Kubernetes keeps: 3 to 100."""
    needed = math.ceil(JOB_RETENTION / parsed.shortest_gap(_REFERENCE_DATE)) + 1
    return min(max(needed, MIN_JOBS), MAX_JOBS)


@lru_cache(maxsize=4096)
def job_retention(parsed: cron.CronSchedule) -> timedelta:
    """Return how long the Job of a tick is guaranteed to stay."""
    return min(JOB_RETENTION, parsed.shortest_gap(_REFERENCE_DATE) * (MAX_JOBS - 1))


def _manifest(
    schedule: Schedule, spec: Spec, parsed: cron.CronSchedule, pod: JSONObject
) -> JSONObject:
    limit = jobs_to_keep(parsed)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": cron_job_name(schedule.name),
            "namespace": schedule.namespace,
            "labels": _labels(schedule),
            "ownerReferences": [owner_reference(API_VERSION, KIND, schedule.name, schedule.uid)],
        },
        "spec": {
            "schedule": parsed.expression,
            "timeZone": spec.time_zone,
            "suspend": spec.suspend,
            "concurrencyPolicy": spec.concurrency_policy.value,
            "startingDeadlineSeconds": spec.starting_deadline_seconds,
            "successfulJobsHistoryLimit": limit,
            "failedJobsHistoryLimit": limit,
            "jobTemplate": {
                "metadata": {"labels": _labels(schedule)},
                "spec": _job_spec(schedule, spec, pod),
            },
        },
    }


def _labels(schedule: Schedule) -> dict[str, str]:
    return {MANAGED_BY_LABEL: MANAGER, SCHEDULE_UID_LABEL: schedule.uid}


def _job_spec(schedule: Schedule, spec: Spec, pod: JSONObject) -> JSONObject:
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
            "spec": pod,
        },
    }
