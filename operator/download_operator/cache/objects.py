"""Trimmed copies of the cluster's objects: what a decision needs, and nothing else.

Ten thousand schedules with their Jobs and Pods have to fit into memory; whole objects would not.
Copies are compared without their resource version: most events change nothing that is here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from download_operator.cache.json_objects import (
    Condition,
    ContainerState,
    JobStatus,
    JSONCronJob,
    JSONJob,
    JSONPod,
    JSONSchedule,
    PodStatus,
    Waiting,
)
from download_schedule.attempt.result import MAX_DOCUMENT_BYTES
from download_schedule.names import CONTAINER, MAX_TOKEN
from download_schedule.timestamps import format_time, parse_time

MAX_TEXT: Final = MAX_DOCUMENT_BYTES + 1
"""Characters kept of a text that others wrote. A result document that is too long stays so."""
MAX_ATTEMPTS: Final = 2**31 - 1
"""Largest number of attempts in a history entry. The three counts of a Job may be more together."""
MAX_REQUEST: Final = 1024
"""Characters of a request for a run that tell it from others."""

M = TypeVar("M")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A DownloadSchedule."""

    namespace: str
    name: str
    uid: str
    resource_version: int = field(compare=False)
    generation: int
    created: str
    is_deleting: bool
    run_requested: str
    """Token of the latest request for a run, or empty."""
    run_tick: str
    """The tick that the run is requested for, as somebody wrote it, or empty."""
    spec: Mapping[str, Any]
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CronJob:
    """A CronJob that carries our label, or the name of a schedule's CronJob."""

    namespace: str
    name: str
    uid: str
    resource_version: int = field(compare=False)
    generation: int
    owner_uid: str
    """UID of its controller, or empty."""
    owner_name: str
    """Kind and name of its controller, for messages; ``nobody`` if it has none."""
    spec_hash: str
    schedule_uid: str
    """Value of its label, which may have been edited by hand."""
    is_deleting: bool

    def belongs_to(self, schedule: Schedule) -> bool:
        """Return whether *schedule* controls it, or did before somebody removed the owner."""
        if self.owner_uid:
            return self.owner_uid == schedule.uid
        return self.schedule_uid == schedule.uid


@dataclass(frozen=True, slots=True)
class Explanation:
    """Kubernetes' reason for something, and its message about it."""

    reason: str
    """One CamelCase word."""
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Job ended."""

    is_completed: bool
    time: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    namespace: str
    name: str
    uid: str
    resource_version: int = field(compare=False)
    owner_uid: str
    """UID of the CronJob that controls it, or empty. This decides whose run it is."""
    schedule_uid: str
    """Value of its label. Anybody who may create Jobs, in any namespace, can write it."""
    created: str
    scheduled_time: str | None
    """The tick; None if the Job is not about one."""
    token: str | None
    """Token of the request that started the Job; None if no request did."""
    start_time: str | None
    attempts: int
    """Number of Pods in the Job's own status."""
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Pod:
    """One attempt."""

    namespace: str
    uid: str
    resource_version: int = field(compare=False)
    job_uid: str
    """UID of the Job that controls it, or empty. This decides whose attempt it is."""
    schedule_uid: str
    """Value of its label, which anybody can write who may create Pods."""
    created: str
    has_started: bool
    """True once the container runs."""
    exit_code: int | None
    """None until the container has ended."""
    exit_reason: str
    """Kubernetes' word for how the container ended, such as ``OOMKilled``; empty until then."""
    termination_message: str
    """What the container left for the operator; empty until it has ended."""
    waiting: Explanation | None
    """Why the container has not started."""
    pod_failure: Explanation | None
    """What Kubernetes did to the Pod as a whole, such as an eviction."""


def parse_schedule(manifest: Mapping[str, Any]) -> Schedule:
    """Return the trimmed copy of a DownloadSchedule."""
    return _schedule(msgspec.convert(manifest, JSONSchedule))


def parse_cron_job(manifest: Mapping[str, Any]) -> CronJob:
    """Return the trimmed copy of a CronJob, of which only the metadata is needed."""
    return _cron_job(msgspec.convert(manifest, JSONCronJob))


def parse_job(manifest: Mapping[str, Any]) -> Job:
    """Return the trimmed copy of a Job."""
    return _job(msgspec.convert(manifest, JSONJob))


def parse_pod(manifest: Mapping[str, Any]) -> Pod:
    """Return the trimmed copy of a Pod."""
    return _pod(msgspec.convert(manifest, JSONPod))


def _schedule(manifest: JSONSchedule) -> Schedule:
    metadata = manifest.metadata
    return Schedule(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=int(metadata.resource_version),
        generation=metadata.generation,
        created=metadata.creation_timestamp,
        is_deleting=metadata.deletion_timestamp is not None,
        run_requested=metadata.annotations.run_requested[:MAX_REQUEST],
        run_tick=metadata.annotations.run_tick[:MAX_REQUEST],
        spec=manifest.spec,
        status=manifest.status,
    )


def _cron_job(manifest: JSONCronJob) -> CronJob:
    metadata = manifest.metadata
    owner = metadata.controller
    return CronJob(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=int(metadata.resource_version),
        generation=metadata.generation,
        owner_uid=owner.uid[:MAX_TEXT] if owner else "",
        owner_name=f"{owner.kind} {owner.name}"[:MAX_TEXT] if owner else "nobody",
        spec_hash=metadata.annotations.spec_hash[:MAX_TEXT],
        schedule_uid=metadata.labels.schedule_uid,
        is_deleting=metadata.deletion_timestamp is not None,
    )


def _job(manifest: JSONJob) -> Job:
    metadata, status = manifest.metadata, manifest.status
    tick = parse_time(metadata.annotations.scheduled_time)
    return Job(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=int(metadata.resource_version),
        owner_uid=metadata.controller_uid("CronJob")[:MAX_TEXT],
        schedule_uid=metadata.labels.schedule_uid,
        created=metadata.creation_timestamp,
        scheduled_time=format_time(tick) if tick else None,
        token=metadata.annotations.run_token[:MAX_TOKEN] or None,
        start_time=status.start_time,
        attempts=min(status.active + status.succeeded + status.failed, MAX_ATTEMPTS),
        outcome=_outcome(status, metadata.creation_timestamp),
    )


def _pod(manifest: JSONPod) -> Pod:
    metadata, status = manifest.metadata, manifest.status
    state = _container_state(status)
    ended = state.terminated
    has_started = ended is not None or state.running is not None
    return Pod(
        namespace=metadata.namespace,
        uid=metadata.uid,
        resource_version=int(metadata.resource_version),
        job_uid=metadata.controller_uid("Job")[:MAX_TEXT],
        schedule_uid=metadata.labels.schedule_uid,
        created=metadata.creation_timestamp,
        has_started=has_started,
        exit_code=ended.exit_code if ended else None,
        exit_reason=ended.reason[:MAX_TEXT] if ended else "",
        termination_message=ended.message[:MAX_TEXT] if ended else "",
        waiting=None if has_started else _waiting(state, status),
        pod_failure=_pod_failure(status),
    )


def _outcome(status: JobStatus, created: str) -> Outcome | None:
    """Read the terminal condition.

    A failed Job has no completionTime, so the time of the condition counts. If somebody wrote the
    condition by hand, it may not have a time either.
    """
    for condition in status.conditions:
        if condition.status == "True" and condition.type in ("Complete", "Failed"):
            return Outcome(
                is_completed=condition.type == "Complete",
                time=status.completion_time or condition.last_transition_time or created,
                reason=condition.reason[:MAX_TEXT],
                message=condition.message[:MAX_TEXT],
            )
    return None


_NO_STATE: Final = ContainerState()


def _container_state(status: PodStatus) -> ContainerState:
    for container in status.container_statuses:
        if container.name == CONTAINER:
            return container.state
    return _NO_STATE


def _waiting(state: ContainerState, status: PodStatus) -> Explanation | None:
    if state.waiting:
        return _explanation(state.waiting)
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return _explanation(condition)
    return None


def _pod_failure(status: PodStatus) -> Explanation | None:
    if status.phase != "Failed" or not status.reason:
        return None
    return _explanation(status)


def _explanation(document: Waiting | Condition | PodStatus) -> Explanation:
    return Explanation(document.reason[:MAX_TEXT], document.message[:MAX_TEXT])


def _decoder(model: type[M], trim: Callable[[M], T]) -> Callable[[msgspec.Raw], T]:
    decode = msgspec.json.Decoder(model).decode
    return lambda text: trim(decode(text))


decode_schedule: Final = _decoder(JSONSchedule, _schedule)
decode_cron_job: Final = _decoder(JSONCronJob, _cron_job)
decode_job: Final = _decoder(JSONJob, _job)
decode_pod: Final = _decoder(JSONPod, _pod)
"""These do the same with JSON."""
