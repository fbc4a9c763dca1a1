"""The ``DownloadSchedule`` resource as pydantic models: what users write and what they read back.

The custom resource definition (:mod:`download_schedule.crd`), the HTTP API and the operator all
take their types, bounds and defaults from here. Attribute names are Python's; the resource's own
camelCase spelling is each field's alias.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from download_schedule import cron, rules
from download_schedule.cron import MAX_LENGTH
from download_schedule.result import MAX_CHARACTERS

GROUP: Final = "downloads.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "DownloadSchedule"
PLURAL: Final = "downloadschedules"

DEFAULT_PATH: Final = "{namespace}/{name}/{scheduled}-{filename}"
MAX_HISTORY: Final = 100
DEFAULT_HISTORY: Final = 20
MAX_HEADERS: Final = 32


def _map_keyed_by(key: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


class ConcurrencyPolicy(StrEnum):
    """What happens at a tick while an earlier run is still going (batch/v1 CronJob's own words)."""

    FORBID = "Forbid"
    ALLOW = "Allow"
    REPLACE = "Replace"


class Format(StrEnum):
    """In what shape the body is kept."""

    RAW = "raw"


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "Schedule"
    MANUAL = "Manual"


class State(StrEnum):
    """How far a run is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to the run."""
        return self in (State.COMPLETED, State.FAILED)


class Model(BaseModel):
    """Base of every model: camelCase outside, nothing unknown accepted, never changed in place."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def to_resource(self) -> dict[str, Any]:
        """Return the value as the API server stores it: camelCase, JSON types, nothing unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Header(Model):
    """One request header."""

    name: Annotated[str, Field(min_length=1, max_length=256), rules.HEADER_NAME]
    value: Annotated[str, Field(max_length=4096), rules.HEADER_VALUE]


class Request(Model):
    """How the URL is asked for."""

    headers: Annotated[
        tuple[Header, ...],
        Field(max_length=MAX_HEADERS, json_schema_extra=_map_keyed_by("name")),
        rules.HEADERS_UNIQUE,
    ] = ()


class Volume(Model):
    """Keep the file on a PersistentVolumeClaim of the schedule's namespace."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253), rules.CLAIM_NAME]
    path: Annotated[str, Field(min_length=1, max_length=1024), rules.PATH] = DEFAULT_PATH
    """Where in the volume; ``{namespace}``, ``{name}``, ``{scheduled}`` (the tick in UTC, as
    ``20261123T020000Z``) and ``{filename}`` are filled in for each run."""


class Discard(Model):
    """Fetch, verify and measure, keep nothing."""


class Destination(Model):
    """Where the file goes; at most one member. With none the file is discarded."""

    volume: Volume | None = None
    discard: Discard | None = None


class Spec(Model):
    """What the user wants."""

    url: Annotated[str, Field(min_length=1, max_length=2048), rules.URL]
    """Address of the file, http or https."""
    schedule: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH), rules.SCHEDULE]
    """When: a cron expression of five fields, exactly as Kubernetes reads it, plus ``H``."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64), rules.TIME_ZONE] = "Etc/UTC"
    """IANA name of the zone in which the schedule is read."""
    suspend: bool = False
    """True stops new runs; those under way go on."""
    format: Format = Format.RAW
    """In what shape the body is kept."""
    request: Request = Request()
    """How the URL is asked for."""
    destination: Annotated[Destination, rules.ONE_DESTINATION] = Destination()
    """Where the file goes; at most one member. With none it is discarded."""
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.FORBID
    """What happens at a tick while an earlier run is still going."""
    starting_deadline_seconds: Annotated[int, Field(ge=10, le=604_800)] = 300
    """A tick missed by more than this many seconds is skipped. The CronJob controller looks every
    10 seconds, hence the lower bound."""
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = 3
    """Retries after the first attempt, with Kubernetes' exponential backoff."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3600
    """Seconds that a whole run may take, retries included."""
    history_limit: Annotated[int, Field(ge=1, le=MAX_HISTORY)] = DEFAULT_HISTORY
    """Runs kept in ``status.history``."""

    @model_validator(mode="after")
    def _schedule_fires(self) -> Self:
        cron.parse(self.schedule, self.time_zone, uid="")
        return self


class Run(Model):
    """One run: a Job, with the outcome of its attempts."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=64)]
    """UID of the Job."""
    job: Annotated[str, Field(max_length=63)]
    trigger: Trigger
    state: State
    scheduled_time: datetime | None = None
    """The tick; absent for a manual run."""
    start_time: datetime | None = None
    completion_time: datetime | None = None
    attempts: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Pods started so far."""
    bytes: Annotated[int | None, Field(ge=0)] = None
    sha256: Annotated[str | None, Field(max_length=MAX_CHARACTERS["sha256"])] = None
    http_status: Annotated[int | None, Field(ge=100, le=599)] = None
    content_type: Annotated[str | None, Field(max_length=MAX_CHARACTERS["contentType"])] = None
    etag: Annotated[str | None, Field(max_length=MAX_CHARACTERS["etag"])] = None
    location: Annotated[str | None, Field(max_length=MAX_CHARACTERS["location"])] = None
    unchanged: bool | None = None
    reason: Annotated[str | None, Field(max_length=MAX_CHARACTERS["reason"])] = None
    """Why the last failed attempt failed, as a CamelCase word."""
    message: Annotated[str | None, Field(max_length=MAX_CHARACTERS["message"])] = None


class Condition(Model):
    """A ``metav1.Condition``."""

    model_config = ConfigDict(extra="ignore")

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    message: Annotated[str, Field(max_length=4096)]
    last_transition_time: datetime
    observed_generation: Annotated[int, Field(ge=0)] = 0


class Counts(Model):
    """Totals since the schedule was made; they only grow."""

    model_config = ConfigDict(extra="ignore")

    completed: Annotated[int, Field(ge=0)] = 0
    failed: Annotated[int, Field(ge=0)] = 0
    missed: Annotated[int, Field(ge=0)] = 0
    """Ticks that had no run."""


class Status(Model):
    """What the operator reports."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: Annotated[int, Field(ge=0)] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra=_map_keyed_by("type"),
        ),
    ] = ()
    cron_job_name: Annotated[str | None, Field(max_length=52)] = None
    schedule: Annotated[str | None, Field(max_length=MAX_LENGTH)] = None
    """The expression given to Kubernetes, with ``H`` filled in."""
    active: Annotated[int, Field(ge=0)] = 0
    """Runs pending or running."""
    last_run_time: datetime | None = None
    last_success_time: datetime | None = None
    next_run_time: datetime | None = None
    consecutive_failures: Annotated[int, Field(ge=0)] = 0
    counts: Counts = Counts()
    settled_until: datetime | None = None
    """Every tick up to here has its run in ``counts``, or is counted as missed."""
    cron_job_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the CronJob after the operator's last write; another one means drift."""
    history: Annotated[
        tuple[Run, ...],
        Field(max_length=MAX_HISTORY, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Newest first, at most ``spec.historyLimit``, but every run that is not over."""
    recorded: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=1000, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Runs counted and no longer in ``history`` whose Job still exists, by id."""
