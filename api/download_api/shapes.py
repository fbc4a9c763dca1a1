"""What callers send and receive: the seed API's shapes, and what we add to them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from download_schedule.model import ConcurrencyPolicy, Spec

_DEFAULTS = Spec.model_fields

Format = Literal["raw", "html", "text", "markdown", "json", "pdf"]


class Shape(BaseModel):
    """Base of all: nothing unknown is accepted."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Destination(Shape):
    """A volume to keep the files on."""

    claim_name: str
    """PersistentVolumeClaim in the schedule's namespace."""
    path: str | None = None
    """Where in the volume; may use {namespace}, {name}, {scheduled} and {filename}."""


class NewSchedule(Shape):
    """A schedule to make."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """What people call it; the resource's name is made from it."""
    url: str
    cron_expression: str
    format: Format = "raw"
    headers: dict[str, str] = {}
    enabled: bool = True
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] | None = None
    """Where to make it; the API's own default if left out."""
    time_zone: str = "Etc/UTC"
    destination: Destination | None = None
    """Left out: the file is fetched and measured, and not kept."""
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.FORBID
    starting_deadline_seconds: int = _DEFAULTS["starting_deadline_seconds"].default
    backoff_limit: int = _DEFAULTS["backoff_limit"].default
    active_deadline_seconds: int = _DEFAULTS["active_deadline_seconds"].default
    history_limit: int = _DEFAULTS["history_limit"].default


class Schedule(Shape):
    """A schedule."""

    id: str
    """Namespace and name of the resource, with a dot between."""
    name: str
    url: str
    cron_expression: str
    format: str
    headers: dict[str, str]
    enabled: bool
    created_at: datetime
    next_run_time: datetime | None
    """As of this moment; null while not enabled."""
    namespace: str
    resource: str
    """Name of the DownloadSchedule."""
    time_zone: str
    destination: Destination | None
    ready: bool
    """Whether Kubernetes carries it out."""
    message: str | None
    """Why it is not ready."""


class Schedules(Shape):
    """All schedules."""

    schedules: list[Schedule]
    total: int


class Execution(Shape):
    """One run."""

    execution_id: str
    schedule_id: str
    status: Literal["pending", "running", "completed", "failed"]
    started_at: datetime | None
    completed_at: datetime | None
    duration: float | None
    """Seconds from start to end, retries included."""
    success: bool | None
    """Null until the run is over."""
    content_size: int | None
    attempt: int
    error_message: str | None
    trigger: str
    scheduled_at: datetime | None
    reason: str | None
    sha256: str | None
    http_status: int | None
    content_type: str | None
    location: str | None


class History(Shape):
    """Runs of a schedule, newest first."""

    executions: list[Execution]
    total: int
    limit: int
    offset: int


class Deleted(Shape):
    """A schedule is gone."""

    success: bool
    message: str
