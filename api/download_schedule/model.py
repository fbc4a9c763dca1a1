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
from download_schedule.attempt.result import MAX_CHARACTERS
from download_schedule.cron import MAX_LENGTH
from download_schedule.names import MAX_JOB_NAME, MAX_TOKEN
from download_schedule.validation import NOT_BOOLEAN

GROUP: Final = "downloads.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "DownloadSchedule"
PLURAL: Final = "downloadschedules"

DEFAULT_PATH: Final = "{namespace}/{name}/{scheduled}-{filename}"
MAX_HISTORY: Final = 100
MAX_RUN_REQUESTS: Final = 100
"""Tokens remembered; one older than that many others would start a run again."""
DEFAULT_HISTORY: Final = 20
MAX_HEADERS: Final = 32
MAX_BODY_BYTES: Final = 2**53
"""What JavaScript and JSON tools still read exactly."""
DEFAULT_MAX_BYTES: Final = 10 * 1024**3


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
    """As the server sent it."""
    HTML = "html"
    """The page, in UTF-8."""
    TEXT = "text"
    """The page's main article as plain text."""
    MARKDOWN = "markdown"
    """The page's main article as Markdown."""
    JSON = "json"
    """A JSON document: the body in base64, and what the server said of it."""
    PDF = "pdf"
    """The page as a browser prints it; needs the operator's setting for its image."""


class Method(StrEnum):
    """How the URL is asked for."""

    GET = "GET"
    POST = "POST"


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


class SecretKey(Model):
    """One entry of a Secret in the schedule's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_NAME]
    key: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_KEY]


class HeaderSource(Model):
    """Where a header's value comes from."""

    secret_key_ref: SecretKey


class Header(Model):
    """One request header: its value, or where that comes from."""

    name: Annotated[str, Field(min_length=1, max_length=256), rules.HEADER_NAME]
    value: Annotated[str | None, Field(max_length=4096), rules.HEADER_VALUE] = None
    value_from: HeaderSource | None = None
    """Read when a Pod starts, by Kubernetes and not by the operator."""


class Request(Model):
    """How the URL is asked for."""

    method: Method = Method.GET
    body: Annotated[str | None, Field(max_length=16_384)] = None
    """Sent with POST, in UTF-8."""
    headers: Annotated[
        tuple[Header, ...],
        Field(max_length=MAX_HEADERS, json_schema_extra=_map_keyed_by("name")),
        rules.HEADERS,
    ] = ()
    compressed: bool = False
    """True asks for gzip, br or zstd and keeps the body decoded; such a body cannot be resumed."""
    connect_timeout_seconds: Annotated[int, Field(ge=1, le=300), NOT_BOOLEAN] = 10
    stall_timeout_seconds: Annotated[int, Field(ge=1, le=3600), NOT_BOOLEAN] = 30
    """An attempt fails when no byte comes for this long."""
    max_redirects: Annotated[int, Field(ge=0, le=20), NOT_BOOLEAN] = 5


class Verify(Model):
    """What a body must be like; another one fails the run and is not kept."""

    sha256: Annotated[str | None, Field(max_length=64), rules.SHA256] = None
    min_bytes: Annotated[int, Field(ge=0, le=MAX_BODY_BYTES), NOT_BOOLEAN] = 0
    max_bytes: Annotated[int, Field(ge=1, le=MAX_BODY_BYTES), NOT_BOOLEAN] = DEFAULT_MAX_BYTES
    """Counted after decoding; the transfer stops there."""
    content_types: Annotated[
        tuple[Annotated[str, Field(min_length=3, max_length=255), rules.CONTENT_TYPE], ...],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """One of these must be the response's media type; ``text/*`` stands for all of text. Empty:
    any."""


class Volume(Model):
    """Keep the file on a PersistentVolumeClaim of the schedule's namespace."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253), rules.CLAIM_NAME]
    path: Annotated[str, Field(min_length=1, max_length=1024), rules.PATH] = DEFAULT_PATH
    """Where in the volume; ``{namespace}``, ``{name}``, ``{scheduled}`` (the tick in UTC, as
    ``20261123T020000Z``) and ``{filename}`` are filled in for each run."""


class SecretName(Model):
    """A Secret in the schedule's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_NAME]


class S3(Model):
    """Keep the file in a bucket of an S3 service."""

    bucket: Annotated[str, Field(min_length=3, max_length=63), rules.BUCKET]
    key: Annotated[str, Field(min_length=1, max_length=1024), rules.PATH] = DEFAULT_PATH
    """Of the object; the same placeholders as in ``volume.path``."""
    endpoint: Annotated[str | None, Field(max_length=2048), rules.ENDPOINT] = None
    """Address of the service; unset: Amazon's, in ``region``."""
    region: Annotated[str, Field(min_length=1, max_length=64), rules.REGION] = "us-east-1"
    credentials_secret_ref: SecretName
    """Secret with the keys ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and, where there is
    one, ``AWS_SESSION_TOKEN``."""


class Discard(Model):
    """Fetch, verify and measure, keep nothing."""


class Destination(Model):
    """Where the file goes; at most one member."""

    volume: Volume | None = None
    s3: S3 | None = None
    discard: Discard | None = None


class Spec(Model):
    """What the user wants."""

    model_config = ConfigDict(json_schema_extra=rules.NEEDS_VOLUME.json_schema())

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
    request: Annotated[Request, rules.BODY_WITH_POST] = Request()
    """How the URL is asked for."""
    verify: Annotated[Verify, rules.BYTES_IN_ORDER] = Verify()
    """What the body must be like."""
    only_if_changed: bool = False
    """True: a file that is the same as the last one kept is not kept again, nor fetched if the
    server can tell. Needs ``destination.volume``."""
    keep_last: Annotated[int | None, Field(ge=1, le=10_000), NOT_BOOLEAN] = None
    """Files of this schedule that stay; older ones are removed after a run. Unset: all. Needs
    ``destination.volume``."""
    destination: Annotated[Destination, rules.ONE_DESTINATION] = Destination()
    """Where the file goes; at most one member. With none: where the operator's configuration says,
    else it is discarded."""
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.FORBID
    """What happens at a tick while an earlier run is still going."""
    starting_deadline_seconds: Annotated[int, Field(ge=10, le=604_800), NOT_BOOLEAN] = 300
    """A tick missed by more than this many seconds is skipped. The CronJob controller looks every
    10 seconds, hence the lower bound."""
    backoff_limit: Annotated[int, Field(ge=0, le=10), NOT_BOOLEAN] = 3
    """Retries after the first attempt, with Kubernetes' exponential backoff."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=604_800), NOT_BOOLEAN] = 3600
    """Seconds that a whole run may take, retries included."""
    history_limit: Annotated[int, Field(ge=1, le=MAX_HISTORY), NOT_BOOLEAN] = DEFAULT_HISTORY
    """Runs that are over and kept in ``status.history``, beside those under way; at most 100 in
    all."""

    @model_validator(mode="after")
    def _schedule_fires(self) -> Self:
        rules.NEEDS_VOLUME.enforce(self)
        cron.parse(self.schedule, self.time_zone, uid="")
        return self


class Run(Model):
    """One run: a Job, with the outcome of its attempts."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=64)]
    """UID of the Job."""
    job: Annotated[str, Field(max_length=MAX_JOB_NAME)]
    trigger: Trigger
    token: Annotated[str | None, Field(max_length=MAX_TOKEN)] = None
    """What asked for a manual run: the annotation ``downloads.dev/run-requested``."""
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
    length_unverified: bool | None = None
    """True where nothing told how long the body was to be: it may have been cut short."""
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
    """What the operator reports; what would be zero or empty is left out."""

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
    run_requests: Annotated[
        tuple[Annotated[str, Field(max_length=10)], ...],
        Field(max_length=MAX_RUN_REQUESTS, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Requests for a run that have had theirs, newest first, by the end of their Job's name."""
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
