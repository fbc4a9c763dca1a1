"""What the operator reads of the API server's JSON.

Whatever is not named here is skipped by the parser and costs no memory, however large a stranger
made it. :mod:`objects` makes the cache's copies of it.
"""

from typing import Any

from msgspec import Struct, field

from download_schedule.names import (
    RUN_REQUESTED_ANNOTATION,
    RUN_TICK_ANNOTATION,
    RUN_TOKEN_ANNOTATION,
    SCHEDULE_UID_LABEL,
    SCHEDULED_TIME_ANNOTATION,
    SPEC_HASH_ANNOTATION,
)


class _Part(Struct, rename="camel", gc=False):
    """A part of an object. It contains no cycles, so that the garbage collector can skip it."""


class Labels(_Part):
    """The labels that mean something to the operator."""

    schedule_uid: str = field(name=SCHEDULE_UID_LABEL, default="")


class Annotations(_Part):
    """The annotations that mean something to the operator."""

    run_requested: str = field(name=RUN_REQUESTED_ANNOTATION, default="")
    run_tick: str = field(name=RUN_TICK_ANNOTATION, default="")
    run_token: str = field(name=RUN_TOKEN_ANNOTATION, default="")
    scheduled_time: str = field(name=SCHEDULED_TIME_ANNOTATION, default="")
    spec_hash: str = field(name=SPEC_HASH_ANNOTATION, default="")


class OwnerReference(_Part):
    """One owner."""

    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(_Part):
    """Metadata of every object."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: Labels = field(default_factory=Labels)
    annotations: Annotations = field(default_factory=Annotations)
    owner_references: list[OwnerReference] = []

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls the object: Kubernetes allows one at most."""
        return next((owner for owner in self.owner_references if owner.controller), None)

    def controller_uid(self, kind: str) -> str:
        """Return the UID of the controller if it is of this kind, or an empty text."""
        controller = self.controller
        return controller.uid if controller and controller.kind == kind else ""


class Condition(_Part):
    """A condition in a status."""

    type: str
    status: str
    last_transition_time: str | None = None
    reason: str = ""
    message: str = ""


class JSONSchedule(_Part):
    """A DownloadSchedule."""

    metadata: Metadata
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}


class JSONCronJob(_Part):
    """A CronJob, of which only the metadata is needed."""

    metadata: Metadata


class JobStatus(_Part):
    """Status of a Job."""

    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    conditions: list[Condition] = []


class JSONJob(_Part):
    """A Job."""

    metadata: Metadata
    status: JobStatus = field(default_factory=JobStatus)


class Terminated(_Part):
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""


class Waiting(_Part):
    """Why a container has not started."""

    reason: str = ""
    message: str = ""


class Running(_Part):
    """A container runs."""


class ContainerState(_Part):
    """State of a container; one member at most."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Part):
    """Status of a container."""

    name: str
    state: ContainerState = field(default_factory=ContainerState)


class PodStatus(_Part):
    """Status of a Pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []


class JSONPod(_Part):
    """A Pod."""

    metadata: Metadata
    status: PodStatus = field(default_factory=PodStatus)
