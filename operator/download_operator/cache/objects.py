"""Trimmed copies of the cluster's objects: what a decision needs, and nothing else.

Ten thousand schedules with their Jobs and Pods have to fit into memory; whole objects would not.
Copies are compared without their resource version: most events change nothing that is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from download_schedule.names import (
    CONTAINER,
    MAX_TOKEN,
    RUN_REQUESTED_ANNOTATION,
    RUN_TOKEN_ANNOTATION,
    SCHEDULE_UID_LABEL,
    SCHEDULED_TIME_ANNOTATION,
    SPEC_HASH_ANNOTATION,
)
from download_schedule.timestamps import format_time, parse_time


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
    schedule_uid: str
    """Value of its label. Anybody who may create Jobs, in any namespace, can write it."""
    created: str
    scheduled_time: str | None
    """The tick; None if no tick started the Job."""
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
    schedule_uid: str
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
    metadata = manifest["metadata"]
    return Schedule(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        is_deleting="deletionTimestamp" in metadata,
        run_requested=metadata.get("annotations", {}).get(RUN_REQUESTED_ANNOTATION, ""),
        spec=manifest.get("spec", {}),
        status=manifest.get("status", {}),
    )


def parse_cron_job(manifest: Mapping[str, Any]) -> CronJob:
    """Return the trimmed copy of a CronJob, of which only the metadata is needed."""
    metadata = manifest["metadata"]
    owner = _controller(metadata)
    return CronJob(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        owner_uid=owner.get("uid", ""),
        owner_name=f"{owner['kind']} {owner['name']}" if owner else "nobody",
        spec_hash=metadata.get("annotations", {}).get(SPEC_HASH_ANNOTATION, ""),
        schedule_uid=_schedule_uid(metadata),
        is_deleting="deletionTimestamp" in metadata,
    )


def parse_job(manifest: Mapping[str, Any]) -> Job:
    """Return the trimmed copy of a Job."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    annotations = metadata.get("annotations", {})
    tick = parse_time(annotations.get(SCHEDULED_TIME_ANNOTATION, ""))
    return Job(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        schedule_uid=_schedule_uid(metadata),
        created=metadata["creationTimestamp"],
        scheduled_time=format_time(tick) if tick else None,
        token=annotations.get(RUN_TOKEN_ANNOTATION, "")[:MAX_TOKEN] or None,
        start_time=status.get("startTime"),
        attempts=sum(status.get(count, 0) for count in ("active", "succeeded", "failed")),
        outcome=_outcome(status, metadata["creationTimestamp"]),
    )


def parse_pod(manifest: Mapping[str, Any]) -> Pod:
    """Return the trimmed copy of a Pod."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    state = _container_state(status)
    ended = state.get("terminated", {})
    has_started = "running" in state or "terminated" in state
    return Pod(
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        job_uid=_controller(metadata).get("uid", ""),
        schedule_uid=_schedule_uid(metadata),
        created=metadata["creationTimestamp"],
        has_started=has_started,
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", ""),
        termination_message=ended.get("message", ""),
        waiting=None if has_started else _waiting(state, status),
        pod_failure=_pod_failure(status),
    )


def _schedule_uid(metadata: Mapping[str, Any]) -> str:
    uid: str = metadata.get("labels", {}).get(SCHEDULE_UID_LABEL, "")
    return uid


def _controller(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    for owner in metadata.get("ownerReferences", ()):
        if owner.get("controller"):
            controller: Mapping[str, Any] = owner
            return controller
    return {}


def _outcome(status: Mapping[str, Any], created: str) -> Outcome | None:
    """Read the terminal condition.

    A failed Job has no completionTime, so the time of the condition counts. If somebody wrote the
    condition by hand, it may not have a time either.
    """
    for condition in status.get("conditions", ()):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return Outcome(
                is_completed=condition["type"] == "Complete",
                time=status.get("completionTime") or condition.get("lastTransitionTime") or created,
                reason=condition.get("reason", ""),
                message=condition.get("message", ""),
            )
    return None


def _container_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses", ()):
        if container["name"] == CONTAINER:
            state: Mapping[str, Any] = container.get("state", {})
            return state
    return {}


def _waiting(state: Mapping[str, Any], status: Mapping[str, Any]) -> Explanation | None:
    if waiting := state.get("waiting"):
        return _explanation(waiting)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _explanation(condition)
    return None


def _pod_failure(status: Mapping[str, Any]) -> Explanation | None:
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    return _explanation(status)


def _explanation(document: Mapping[str, Any]) -> Explanation:
    return Explanation(document.get("reason", ""), document.get("message", ""))
