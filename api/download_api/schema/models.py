"""What callers send and receive: the seed API's shapes, and what we add to them.

Types, bounds and defaults are those of the resource's model; only the spelling is the API's own.
"""

from copy import copy
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from download_schedule import cron, model, rules
from download_schedule.model import ConcurrencyPolicy, Format, Method
from download_schedule.names import NAMESPACE
from download_schedule.validation import Check, matching

ExecutionStatus = Literal["pending", "running", "completed", "failed"]


_SNAKE_CASE: Final = ConfigDict(alias_generator=str)


def _of(owner: type[model.Model], member: str, text: str = "") -> Any:
    """Return a member of the resource's: its bounds, rules, default and description.

    *text* is the format that JSON Schema gives it.
    """
    found = copy(owner.model_fields[member])
    if text:
        found.json_schema_extra = {"format": text}
    return found


NamespaceName = Annotated[
    str,
    Check(
        matching(
            NAMESPACE.replace("$", r"\z"),
            "a namespace is at most 63 of a-z, 0-9 and -; write for example team",
        )
    ),
]


class Shape(BaseModel):
    """Base of all: nothing unknown is accepted."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, **_SNAKE_CASE)


class SecretKey(model.SecretKey):
    """One entry of a Secret in the schedule's namespace."""

    model_config = _SNAKE_CASE


class Request(Shape):
    """How the URL is asked for; the headers are apart."""

    method: Method = _of(model.Request, "method")
    body: str | None = _of(model.Request, "body")
    compressed: bool = _of(model.Request, "compressed")
    connect_timeout_seconds: int = _of(model.Request, "connect_timeout_seconds")
    stall_timeout_seconds: int = _of(model.Request, "stall_timeout_seconds")
    max_redirects: int = _of(model.Request, "max_redirects")


class Verify(model.Verify):
    """What a body must be like; another one fails the run and is not kept."""

    model_config = _SNAKE_CASE


class Volume(model.Volume):
    """Keep the file on a PersistentVolumeClaim of the schedule's namespace."""

    model_config = _SNAKE_CASE


class SecretName(model.SecretName):
    """A Secret in the schedule's namespace."""

    model_config = _SNAKE_CASE


class S3(model.S3):
    """Keep the file in a bucket of an S3 service."""

    model_config = _SNAKE_CASE

    credentials_secret_ref: SecretName
    """Secret with the keys ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and, where there is
    one, ``AWS_SESSION_TOKEN``."""


class Discard(model.Discard):
    """Fetch, verify and measure, keep nothing."""

    model_config = _SNAKE_CASE


class Destination(model.Destination):
    """Where the file goes; at most one member."""

    model_config = _SNAKE_CASE

    volume: Volume | None = None
    s3: S3 | None = None
    discard: Discard | None = None


HeaderName = Annotated[str, *model.Header.model_fields["name"].metadata]
HeaderValue = Annotated[str, Field(max_length=4096), rules.HEADER_VALUE]
Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=model.MAX_HEADERS)]


CronExpression = Annotated[
    str,
    Field(
        json_schema_extra={"minLength": 1, "maxLength": cron.MAX_LENGTH, "format": "cron"},
        examples=["0 2 * * *"],
    ),
]
"""Judged apart from the other members, for a wrong one is a 400, as in the seed."""


class Wishes(Shape):
    """What people may want of a schedule."""

    url: str = _of(model.Spec, "url", "uri")
    cron_expression: CronExpression
    """When: five fields, exactly as Kubernetes reads them, plus ``H``."""
    format: Format = Format.TEXT
    """In what shape the body is kept."""
    headers: Headers = {}
    """Sent with the request. Whoever may get the schedule reads them back: put what is secret into
    secret_headers."""
    secret_headers: Annotated[dict[HeaderName, SecretKey], Field(max_length=model.MAX_HEADERS)] = {}
    """Headers whose value is in a Secret, which Kubernetes reads, and nobody else."""
    enabled: bool = True
    time_zone: str = _of(model.Spec, "time_zone", "time-zone")
    request: Request = Request()
    verify: Verify = Verify()
    only_if_changed: bool = _of(model.Spec, "only_if_changed")
    keep_last: int | None = _of(model.Spec, "keep_last")
    destination: Destination | None = None
    """Left out: where the operator's configuration says, else the file is fetched and measured, and
    not kept."""
    concurrency_policy: ConcurrencyPolicy = _of(model.Spec, "concurrency_policy")
    starting_deadline_seconds: int = _of(model.Spec, "starting_deadline_seconds")
    backoff_limit: int = _of(model.Spec, "backoff_limit")
    active_deadline_seconds: int = _of(model.Spec, "active_deadline_seconds")
    history_limit: int = _of(model.Spec, "history_limit")


def _none_at_all(headers: Any) -> Any:
    return {} if headers is None else headers


class NewSchedule(Wishes):
    """A schedule to make."""

    headers: Annotated[
        Headers, BeforeValidator(_none_at_all, json_schema_input_type=Headers | None)
    ] = {}
    """Sent with the request; null, as in the seed, is none. Whoever may get the schedule reads them
    back: put what is secret into secret_headers."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """What people call it; the resource's name is made from it."""
    namespace: NamespaceName | None = None
    """Where to make it; the API's own default if left out."""


class Schedule(Wishes):
    """A schedule."""

    id: str
    """Namespace and name of the resource, with a dot between."""
    name: str
    url: str
    cron_expression: str
    time_zone: str
    created_at: datetime
    next_run_time: datetime | None
    """As of this moment; null while not enabled."""
    last_status: ExecutionStatus | None
    """How the newest run stands; null before the first."""
    namespace: str
    resource: str
    """Name of the DownloadSchedule."""
    ready: bool
    """Whether Kubernetes carries it out."""
    message: str | None
    """Why it is not ready."""


class Schedules(Shape):
    """Schedules, in the order of their namespaces and names."""

    schedules: list[Schedule]
    total: int
    """How many there are on all pages."""


class Execution(Shape):
    """One run."""

    execution_id: str
    schedule_id: str
    status: ExecutionStatus
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
    """Runs of a schedule."""

    executions: list[Execution]
    total: int
    limit: int
    offset: int


class Started(Shape):
    """A run was asked for."""

    success: bool
    message: str
    schedule_id: str
    execution_id: str
    """Leads to the run once the operator has started it, as its UID does later on."""
    token: str
    """The same token again starts no other run."""


class CronPreview(Shape):
    """What a cron expression means."""

    cron_expression: str
    time_zone: str
    description: str
    """The expression in plain English."""
    next_run_times: list[datetime]
    warnings: list[str]
    """Where croniter, the cron library of Airflow and other Python schedulers, reads the expression
    differently."""


class Deleted(Shape):
    """A schedule is gone."""

    success: bool
    message: str
