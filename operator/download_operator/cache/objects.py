"""Trimmed projections of the cluster's objects: all that a decision needs, nothing else.

Ten thousand schedules have to fit into memory, and whole objects would not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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

JSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A DownloadSchedule."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    generation: int
    created: str
    deleting: bool
    run_requested: str
    """Token of the latest request for a run, or empty."""
    spec: JSON
    status: JSON


@dataclass(frozen=True, slots=True)
class CronJob:
    """A CronJob that carries a schedule's name."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    generation: int
    owner: str
    """UID of its controller, or empty."""
    owner_name: str
    """Kind and name of its controller, for people; empty where it has none."""
    spec_hash: str
    schedule_uid: str
    """What its label says; it may have been edited by hand."""
    deleting: bool

    def belongs_to(self, schedule: Schedule) -> bool:
        """Whether it is the schedule's, also where somebody took its owner away."""
        return self.owner == schedule.uid or (not self.owner and self.schedule_uid == schedule.uid)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Job ended."""

    completed: bool
    time: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    schedule_uid: str
    """What its label says: whoever may make Jobs, in whatever namespace, may write it."""
    created: str
    scheduled_time: str | None
    """The tick; None for a Job that no tick made."""
    token: str | None
    """What asked for it; None for a Job that nobody asked the operator for."""
    start_time: str | None
    attempts: int
    """Pods that the Job's own status speaks of."""
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Pod:
    """One attempt."""

    namespace: str
    uid: str
    resource_version: int
    job_uid: str
    schedule_uid: str
    created: str
    started: bool
    """The container runs or has run."""
    exit_code: int | None
    """None until the container has ended."""
    reason: str
    """Kubernetes' word for why it waits or ended."""
    message: str
    """The termination message, or what Kubernetes says about the wait."""
    fate: tuple[str, str]
    """Reason and message of what Kubernetes did to the Pod as a whole, such as an eviction; two
    empty texts where it ended by itself or goes on."""


def schedule_of(manifest: JSON) -> Schedule:
    """Project a DownloadSchedule."""
    metadata = manifest["metadata"]
    return Schedule(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        deleting="deletionTimestamp" in metadata,
        run_requested=metadata.get("annotations", {}).get(RUN_REQUESTED_ANNOTATION, ""),
        spec=manifest.get("spec", {}),
        status=manifest.get("status", {}),
    )


def cron_job_of(manifest: JSON) -> CronJob:
    """Project a CronJob."""
    metadata = manifest["metadata"]
    owner = _controller(metadata)
    return CronJob(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        owner=owner.get("uid", ""),
        owner_name=f"{owner['kind']} {owner['name']}" if owner else "",
        spec_hash=metadata.get("annotations", {}).get(SPEC_HASH_ANNOTATION, ""),
        schedule_uid=metadata.get("labels", {}).get(SCHEDULE_UID_LABEL, ""),
        deleting="deletionTimestamp" in metadata,
    )


def job_of(manifest: JSON) -> Job:
    """Project a Job."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    annotations = metadata.get("annotations", {})
    tick = parse_time(annotations.get(SCHEDULED_TIME_ANNOTATION, ""))
    return Job(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        schedule_uid=metadata.get("labels", {}).get(SCHEDULE_UID_LABEL, ""),
        created=metadata["creationTimestamp"],
        scheduled_time=format_time(tick) if tick else None,
        token=annotations.get(RUN_TOKEN_ANNOTATION, "")[:MAX_TOKEN] or None,
        start_time=status.get("startTime"),
        attempts=sum(status.get(count, 0) for count in ("active", "succeeded", "failed")),
        outcome=_outcome(status, metadata["creationTimestamp"]),
    )


def pod_of(manifest: JSON) -> Pod:
    """Project a Pod."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    state = _container_state(status)
    ended = state.get("terminated", {})
    why = ended or state.get("waiting") or _unschedulable(status)
    return Pod(
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        job_uid=_controller(metadata).get("uid", ""),
        schedule_uid=metadata.get("labels", {}).get(SCHEDULE_UID_LABEL, ""),
        created=metadata["creationTimestamp"],
        started="running" in state or "terminated" in state,
        exit_code=ended.get("exitCode"),
        reason=why.get("reason", ""),
        message=why.get("message", ""),
        fate=_fate(status),
    )


def _controller(metadata: JSON) -> JSON:
    owners = (owner for owner in metadata.get("ownerReferences", ()) if owner.get("controller"))
    return next(owners, {})


def _outcome(status: JSON, created: str) -> Outcome | None:
    """Read the terminal condition; a failed Job has no completionTime, so its own time counts.

    One that somebody wrote by hand need not have even that.
    """
    for condition in status.get("conditions", ()):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return Outcome(
                completed=condition["type"] == "Complete",
                time=status.get("completionTime") or condition.get("lastTransitionTime") or created,
                reason=condition.get("reason", ""),
                message=condition.get("message", ""),
            )
    return None


def _container_state(status: JSON) -> JSON:
    states: list[JSON] = [
        container.get("state", {})
        for container in status.get("containerStatuses", ())
        if container["name"] == CONTAINER
    ]
    return states[0] if states else {}


def _fate(status: JSON) -> tuple[str, str]:
    if status.get("phase") != "Failed":
        return "", ""
    return status.get("reason", ""), status.get("message", "")


def _unschedulable(status: JSON) -> JSON:
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            refused: JSON = condition
            return refused
    return {}
