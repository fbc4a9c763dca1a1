"""What callers send and receive: the seed API's schemas, and our additions.

Types, bounds, rules and defaults are those of the resource's model. Only the spelling is the API's.
"""

from copy import copy
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from download_schedule import cron, model, rules
from download_schedule.model import ConcurrencyPolicy, Format, Method
from download_schedule.names import NAMESPACE
from download_schedule.validation import Check, matching

ExecutionStatus = Literal["pending", "running", "completed", "failed", "skipped"]


_SNAKE_CASE: Final = ConfigDict(alias_generator=str)


def _inherit_field(owner: type[model.Model], name: str, json_format: str = "") -> Any:
    """Return a field of the resource's model: its bounds, rules, default and description.

    Args:
        owner: the model that has the field.
        name: name of the field in it.
        json_format: ``format`` of the field in JSON Schema.
    """
    field = copy(owner.model_fields[name])
    if json_format:
        field.json_schema_extra = {"format": json_format}
    return field


NamespaceName = Annotated[
    str,
    Check(
        matching(
            NAMESPACE.replace("$", r"\z"),
            "a namespace is at most 63 of a-z, 0-9 and -; write for example team",
        )
    ),
]


class ApiModel(BaseModel):
    """Base of the API's own models: unknown members are rejected."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, **_SNAKE_CASE)


class SecretKey(model.SecretKey):
    """One entry of a Secret in the schedule's namespace."""

    model_config = _SNAKE_CASE


class Request(ApiModel):
    """How to request the URL. Its headers are members of the schedule."""

    method: Method = _inherit_field(model.Request, "method")
    body: str | None = _inherit_field(model.Request, "body")
    compressed: bool = _inherit_field(model.Request, "compressed")
    connect_timeout_seconds: int = _inherit_field(model.Request, "connect_timeout_seconds")
    stall_timeout_seconds: int = _inherit_field(model.Request, "stall_timeout_seconds")
    max_redirects: int = _inherit_field(model.Request, "max_redirects")


class Verify(model.Verify):
    """Checks of a downloaded body. If one fails, the run fails and the body is not kept."""

    model_config = _SNAKE_CASE


class WaitFor(model.WaitFor):
    """How long a run waits for a file that is late."""

    model_config = _SNAKE_CASE


class Volume(model.Volume):
    """Keep the file on a PersistentVolumeClaim in the schedule's namespace."""

    model_config = _SNAKE_CASE


class SecretName(model.SecretName):
    """A Secret in the schedule's namespace."""

    model_config = _SNAKE_CASE


class S3(model.S3):
    """Keep the file in a bucket of an S3 service."""

    model_config = _SNAKE_CASE

    credentials_secret_ref: SecretName
    """Secret with the keys ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and, for temporary
    credentials, ``AWS_SESSION_TOKEN``."""


class CalendarName(model.CalendarName):
    """A ConfigMap in the schedule's namespace."""

    model_config = _SNAKE_CASE


class Exclude(model.Exclude):
    """Days that the schedule leaves out, by the date of the tick in its time_zone."""

    model_config = _SNAKE_CASE

    calendar_ref: CalendarName | None = None
    """A ConfigMap with more dates and ranges, one a line, under the key ``dates``. A ``#`` begins a
    comment."""


class Discard(model.Discard):
    """Download, check and measure the file, but do not keep it."""

    model_config = _SNAKE_CASE


class Destination(model.Destination):
    """Where the file goes. At most one member can be set."""

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
"""Checked apart from the other members, because an invalid one is a 400, as in the seed API."""


UrlTemplate = Annotated[
    str,
    *model.Spec.model_fields["url"].metadata,
    Field(json_schema_extra={"format": "url-template"}),
]


ExcludedDate = Annotated[str, Field(min_length=10, max_length=21), rules.DATE_OR_RANGE]
ExcludedMonthDay = Annotated[int, Field(ge=-1, le=31), rules.MONTH_DAY]


class ScheduleFields(ApiModel):
    """What the author of a schedule decides."""

    url: str = _inherit_field(model.Spec, "url", "url-template")
    cron_expression: CronExpression
    """When to run: five fields, read exactly as Kubernetes reads them, plus ``H``."""
    format: Format = Format.TEXT
    """Format in which the file is kept."""
    headers: Headers = {}
    """Headers of the request. Everyone who may get the schedule can read their values; put secrets
    into secret_headers instead."""
    secret_headers: Annotated[dict[HeaderName, SecretKey], Field(max_length=model.MAX_HEADERS)] = {}
    """Headers of the request whose values are in a Secret. Only Kubernetes reads the Secret; the
    API never shows its content."""
    enabled: bool = True
    """False starts no new runs."""
    time_zone: str = _inherit_field(model.Spec, "time_zone", "time-zone")
    exclude: Exclude = Exclude()
    """Days whose ticks download nothing: each has a run that ends at once as skipped. Runs that
    somebody asks for are not skipped."""
    request: Request = Request()
    verify: Verify = Verify()
    only_if_changed: bool = _inherit_field(model.Spec, "only_if_changed")
    keep_last: int | None = _inherit_field(model.Spec, "keep_last")
    destination: Destination | None = None
    """Where the file goes. Without it, the file goes to the default destination of the operator's
    configuration. If that has none either, the file is downloaded and measured, but not kept."""
    wait_for: Annotated[WaitFor | None, rules.WAIT_FOR] = None
    """How long a run waits for a file that is late; null: it fails if the file is not there.
    active_deadline_seconds must be greater by at least 60 seconds."""
    concurrency_policy: ConcurrencyPolicy = _inherit_field(model.Spec, "concurrency_policy")
    starting_deadline_seconds: int = _inherit_field(model.Spec, "starting_deadline_seconds")
    backoff_limit: int = _inherit_field(model.Spec, "backoff_limit")
    active_deadline_seconds: int = _inherit_field(model.Spec, "active_deadline_seconds")
    history_limit: int = _inherit_field(model.Spec, "history_limit")


def _null_to_empty(headers: Any) -> Any:
    return {} if headers is None else headers


class NewSchedule(ScheduleFields):
    """A schedule to create, or to replace another one with."""

    headers: Annotated[
        Headers, BeforeValidator(_null_to_empty, json_schema_input_type=Headers | None)
    ] = {}
    """Headers of the request; null means none, as in the seed API. Everyone who may get the
    schedule can read their values; put secrets into secret_headers instead."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name for people, any text. The name of the resource is derived from it."""
    namespace: NamespaceName | None = None
    """Namespace in which to create the schedule. Default: the one that the API is configured
    with."""


class Schedule(ScheduleFields):
    """A schedule as it is now."""

    id: str
    """Namespace and name of the resource, joined by a dot."""
    name: str
    """Name for people."""
    url: str
    cron_expression: str
    time_zone: str
    created_at: datetime
    next_run_time: datetime | None
    """Next time at which a run starts that is not skipped; null while the schedule is not enabled.
    Dates in a ConfigMap are not known here."""
    last_status: ExecutionStatus | None
    """Status of the newest run; null before the first."""
    namespace: str
    resource: str
    """Name of the DownloadSchedule in its namespace."""
    ready: bool
    """Whether the operator has set the schedule up in Kubernetes."""
    message: str | None
    """Why the schedule is not ready."""


class Schedules(ApiModel):
    """A page of schedules, sorted by namespace and name."""

    schedules: list[Schedule]
    total: int
    """Number of schedules on all pages."""


class Execution(ApiModel):
    """One run of a schedule."""

    execution_id: str
    """UID of the run's Job."""
    schedule_id: str
    status: ExecutionStatus
    started_at: datetime | None
    completed_at: datetime | None
    duration: float | None
    """Seconds from start to end, retries included."""
    success: bool | None
    """Null until the run is over, and for one that was skipped."""
    content_size: int | None
    """Size of the file in bytes."""
    attempt: int
    """Number of attempts so far."""
    error_message: str | None
    """Why the run failed or was skipped, as a sentence."""
    trigger: str
    """What started the run: schedule or manual."""
    scheduled_at: datetime | None
    """The run's tick; null for a manual run that was requested without one."""
    reason: str | None
    """Why the last failed attempt failed, as one word for programs; Excluded if the run was
    skipped."""
    sha256: str | None
    """Digest of the file."""
    http_status: int | None
    """Status of the server's last response."""
    content_type: str | None
    """Content-Type of the server's response."""
    location: str | None
    """Where the file was kept: volume://CLAIM/PATH or s3://BUCKET/KEY."""
    url: str | None
    """Address that the run fetched, if the schedule's url has placeholders."""


class History(ApiModel):
    """A page of a schedule's runs."""

    executions: list[Execution]
    total: int
    """Number of runs on all pages."""
    limit: int
    """Largest number of runs on this page."""
    offset: int
    """Number of runs before this page."""


class RunRequest(ApiModel):
    """Which run to start."""

    tick: Annotated[str | None, Field(max_length=64, json_schema_extra={"format": "date-time"})] = (
        None
    )
    """A tick of the schedule that has passed, with date and zone. The run counts as the run of that
    tick, and placeholders such as `{scheduled:%Y-%m-%d}` have its time. Without it, they have the
    time at which the run starts."""


TickOutcome = Literal["completed", "failed", "missed", "running", "suspended", "skipped", "unknown"]


class Tick(ApiModel):
    """A moment that the cron expression names."""

    tick: datetime
    outcome: TickOutcome
    """completed, failed, running: the state of its latest run; missed: it started no run in time;
    suspended: it passed while the schedule was not enabled; skipped: its day is left out;
    unknown: not judged."""


class Ticks(ApiModel):
    """The latest ticks of a schedule, newest first."""

    ticks: list[Tick]


class Started(ApiModel):
    """A run was requested."""

    success: bool
    message: str
    schedule_id: str
    execution_id: str
    """Name of the run's Job. It leads to the run as soon as the operator has started it."""
    token: str
    """Identifies this request. The same token again does not start another run."""


class CronPreview(ApiModel):
    """What a cron expression means."""

    cron_expression: str
    time_zone: str
    description: str
    """The expression in plain English."""
    next_run_times: list[datetime]
    urls: list[str]
    """Address that each of these runs would fetch; empty without `url`."""
    excluded: list[str | None]
    """Why each of these runs would be skipped, as a sentence; null for one that downloads. Empty
    without `exclude_…`."""
    warnings: list[str]
    """Where croniter, the cron library of Airflow and other Python schedulers, reads the expression
    differently."""


class Deleted(ApiModel):
    """A schedule was deleted."""

    success: bool
    message: str
