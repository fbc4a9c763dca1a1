"""What users write: the ``spec`` of a ``DownloadSchedule``."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from download_schedule import cron, rules
from download_schedule.attempt.exclusion import Exclusion
from download_schedule.attempt.task import (
    DEFAULT_ACTIVE_DEADLINE_SECONDS,
    DEFAULT_CONNECT_TIMEOUT_SECONDS,
    DEFAULT_LOOK_EVERY_SECONDS,
    DEFAULT_MAX_BYTES,
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_STALL_TIMEOUT_SECONDS,
    MAX_ACTIVE_DEADLINE_SECONDS,
    MAX_BODY_BYTES,
    MAX_CONNECT_TIMEOUT_SECONDS,
    MAX_KEEP_LAST,
    MAX_LATE_STATUSES,
    MAX_LOOK_EVERY_SECONDS,
    MAX_REDIRECTS,
    MAX_STALL_TIMEOUT_SECONDS,
    MIN_LOOK_EVERY_SECONDS,
    Format,
    Method,
    Until,
)
from download_schedule.model.base import Model, map_keyed_by
from download_schedule.validation import NOT_BOOLEAN

DEFAULT_PATH: Final = "{namespace}/{name}/{scheduled}-{filename}"
MAX_HISTORY: Final = 100
DEFAULT_HISTORY: Final = 20
MAX_HEADERS: Final = 32
MAX_DATES: Final = 100
"""Dates and ranges in a schedule; a ConfigMap has room for more."""


_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set", "uniqueItems": True}
"""Schema members of a list without duplicates."""
_REFERENCE_DATE: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Where a schedule is looked at for ticks. It is fixed, so that the same spec is always valid or
never; the year is a leap year, so that 29 February fires."""


class ConcurrencyPolicy(StrEnum):
    """What to do at a tick while an earlier run is still active, as in a batch/v1 CronJob."""

    FORBID = "Forbid"
    ALLOW = "Allow"
    REPLACE = "Replace"


class SecretKey(Model):
    """One key of a Secret in the schedule's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_NAME]
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_KEY]
    """Key within the Secret."""


class HeaderSource(Model):
    """Where the value of a header comes from."""

    secret_key_ref: SecretKey


class Header(Model):
    """One request header, with either ``value`` or ``valueFrom``."""

    name: Annotated[str, Field(min_length=1, max_length=256), rules.HEADER_NAME]
    """Name of the header. Upper and lower case do not matter."""
    value: Annotated[str | None, Field(max_length=4096), rules.HEADER_VALUE] = None
    """Value of the header, readable for everybody who may read the schedule. Each run replaces
    ``{scheduled…}`` and ``{previous…}``; other braces stay."""
    value_from: HeaderSource | None = None
    """A Secret with the value. Kubernetes reads it when a Pod starts; the operator never does."""


class Request(Model):
    """The HTTP request that fetches the URL."""

    method: Method = Method.GET
    """The HTTP method."""
    body: Annotated[str | None, Field(max_length=16_384), rules.BODY] = None
    """The body of the request, sent in UTF-8. Only with method POST. Each run replaces
    ``{scheduled…}`` and ``{previous…}``; other braces stay."""
    headers: Annotated[
        tuple[Header, ...],
        Field(max_length=MAX_HEADERS, json_schema_extra=map_keyed_by("name")),
        rules.HEADERS,
    ] = ()
    """Headers to send with the request."""
    compressed: bool = False
    """If true, the worker asks for gzip, br or zstd and keeps the decoded body. A compressed
    download cannot be resumed."""
    connect_timeout_seconds: Annotated[
        int, Field(ge=1, le=MAX_CONNECT_TIMEOUT_SECONDS), NOT_BOOLEAN
    ] = DEFAULT_CONNECT_TIMEOUT_SECONDS
    """An attempt fails if no connection is made within this many seconds."""
    stall_timeout_seconds: Annotated[
        int, Field(ge=1, le=MAX_STALL_TIMEOUT_SECONDS), NOT_BOOLEAN
    ] = DEFAULT_STALL_TIMEOUT_SECONDS
    """An attempt fails if no byte arrives for this many seconds."""
    max_redirects: Annotated[int, Field(ge=0, le=MAX_REDIRECTS), NOT_BOOLEAN] = (
        DEFAULT_MAX_REDIRECTS
    )
    """Redirects to follow before an attempt fails."""


class Verify(Model):
    """Checks on the body. If one fails, the run fails and the file is not kept."""

    sha256: Annotated[str | None, Field(max_length=64), rules.SHA256] = None
    """The SHA-256 digest that the body must have, in lower-case hexadecimal digits."""
    min_bytes: Annotated[int, Field(ge=0, le=MAX_BODY_BYTES), NOT_BOOLEAN] = 0
    """Smallest size of the body, in bytes after decoding."""
    max_bytes: Annotated[int, Field(ge=1, le=MAX_BODY_BYTES), NOT_BOOLEAN] = DEFAULT_MAX_BYTES
    """Largest size of the body, in bytes after decoding. A transfer stops when it exceeds it."""
    content_types: Annotated[
        tuple[Annotated[str, Field(min_length=3, max_length=255), rules.CONTENT_TYPE], ...],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Media types that the response may have, such as ``text/csv``; ``text/*`` allows every text
    type. An empty list allows any type."""


class Volume(Model):
    """Keeps the file on a PersistentVolumeClaim in the schedule's namespace."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253), rules.CLAIM_NAME]
    """Name of the PersistentVolumeClaim."""
    path: Annotated[str, Field(min_length=1, max_length=1024), rules.PATH] = DEFAULT_PATH
    """Path of the file in the volume. Each run replaces ``{namespace}``, ``{name}``,
    ``{filename}``, ``{scheduled}`` (the tick in UTC, such as ``20261123T020000Z``) and other times,
    such as ``{scheduled-1d:%Y/%m/%d}``. It starts with ``{namespace}/{name}/`` unless the operator
    allows other paths."""
    overwrite: bool = False
    """If true, a run may replace a file that this schedule did not write. It never replaces a file
    that another schedule wrote."""


class SecretName(Model):
    """A Secret in the schedule's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), rules.SECRET_NAME]
    """Name of the Secret."""


class S3(Model):
    """Keeps the file in a bucket of an S3 service."""

    bucket: Annotated[str, Field(min_length=3, max_length=63), rules.BUCKET]
    """Name of the bucket."""
    key: Annotated[str, Field(min_length=1, max_length=1024), rules.PATH] = DEFAULT_PATH
    """Key of the object, with the same placeholders as ``volume.path``."""
    endpoint: Annotated[str | None, Field(max_length=2048), rules.ENDPOINT] = None
    """Address of the service. If unset, Amazon's service in ``region``."""
    region: Annotated[str, Field(min_length=1, max_length=64), rules.REGION] = "us-east-1"
    """Region of the bucket."""
    credentials_secret_ref: SecretName
    """The Secret with the credentials, under the keys ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY`` and optionally ``AWS_SESSION_TOKEN``."""


class Discard(Model):
    """Fetches, verifies and measures the file, but does not keep it."""


class Destination(Model):
    """Where the file is kept. Set at most one member."""

    volume: Volume | None = None
    s3: S3 | None = None
    discard: Discard | None = None


class WaitFor(Model):
    """How long a run waits for a file that is late."""

    until: Until = Until.EXISTS
    """What the run waits for: ``Exists``, that the server has the file; ``Changed``, that it has
    another file than the last one that was kept, or any if none was. ``Changed`` needs
    ``destination.volume``."""
    every_seconds: Annotated[
        int, Field(ge=MIN_LOOK_EVERY_SECONDS, le=MAX_LOOK_EVERY_SECONDS), NOT_BOOLEAN
    ] = DEFAULT_LOOK_EVERY_SECONDS
    """Seconds from the end of a look to the next one."""
    at_most_seconds: Annotated[
        int, Field(ge=MIN_LOOK_EVERY_SECONDS, le=MAX_ACTIVE_DEADLINE_SECONDS), NOT_BOOLEAN
    ]
    """Seconds from the tick to the last look, after which the run fails with the reason
    ``NotYet``. For a run without a tick, they count from the start of the attempt."""
    statuses: Annotated[
        tuple[Annotated[int, NOT_BOOLEAN, rules.LATE_STATUS], ...],
        Field(max_length=MAX_LATE_STATUSES, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = (404,)
    """HTTP statuses that mean that the file is not there yet. Statuses that are retried, such as
    503, do not end the wait either."""


class Weekday(StrEnum):
    """A day of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


class CalendarName(Model):
    """A ConfigMap in the schedule's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), rules.CONFIG_MAP_NAME]
    """Name of the ConfigMap."""


class Exclude(Model):
    """Days that the schedule leaves out, by the date of the tick in its ``timeZone``."""

    dates: Annotated[
        tuple[Annotated[str, Field(min_length=10, max_length=21), rules.DATE_OR_RANGE], ...],
        Field(max_length=MAX_DATES, json_schema_extra=_SET),
    ] = ()
    """Dates, such as ``2026-12-25``, and ranges with both their ends, such as
    ``2026-12-24/2027-01-06``."""
    weekdays: Annotated[
        tuple[Weekday, ...],
        Field(max_length=7, json_schema_extra=_SET),
        rules.WEEKDAYS,
    ] = ()
    """Days of the week."""
    month_days: Annotated[
        tuple[Annotated[int, Field(ge=-1, le=31), NOT_BOOLEAN, rules.MONTH_DAY], ...],
        Field(max_length=32, json_schema_extra=_SET),
    ] = ()
    """Days of the month: 1 to 31, and -1 for the last."""
    calendar_ref: CalendarName | None = None
    """A ConfigMap with more dates and ranges, one a line, under the key ``dates``. A ``#`` begins a
    comment."""

    def read_in(self, time_zone: str) -> Exclusion | None:
        """Return which days are left out in a time zone, or None if there are none."""
        calendar = self.calendar_ref.name if self.calendar_ref else None
        if not (self.dates or self.weekdays or self.month_days or calendar):
            return None
        weekdays = tuple(weekday.value for weekday in self.weekdays)
        return Exclusion(time_zone, self.dates, weekdays, self.month_days, calendar)


class Spec(Model):
    """What to download, when, and where to keep it."""

    model_config = ConfigDict(json_schema_extra=rules.SPEC.json_schema())

    url: Annotated[str, Field(min_length=1, max_length=2048), rules.URL]
    """Address of the file, with http or https. Each run replaces placeholders in its path and
    query, such as ``{scheduled:%Y-%m-%d}``; ``{{`` and ``}}`` stand for braces."""
    schedule: Annotated[str, Field(min_length=1, max_length=cron.MAX_LENGTH), rules.SCHEDULE]
    """When to download: a cron expression of five fields, exactly as Kubernetes reads it. ``H``
    stands for a value that differs between schedules, which spreads their load."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64), rules.TIME_ZONE] = "Etc/UTC"
    """IANA name of the time zone in which the schedule is read."""
    exclude: Exclude = Exclude()
    """Days whose ticks download nothing: each has a run that ends at once as ``Skipped``. Runs that
    somebody asks for are not skipped."""
    suspend: bool = False
    """If true, no new runs start. Runs that are active go on."""
    format: Format = Format.RAW
    """The form in which the file is kept: ``raw`` as the server sent it; ``html`` the page in
    UTF-8; ``text`` or ``markdown`` the main article of the page; ``json`` a document with the body
    in base64 and metadata of the response; ``pdf`` the page as a browser prints it."""
    request: Annotated[Request, rules.BODY_WITH_POST] = Request()
    """The HTTP request that fetches the URL."""
    verify: Annotated[Verify, rules.BYTES_IN_ORDER] = Verify()
    """Checks on the body. If one fails, the run fails and the file is not kept."""
    only_if_changed: bool = False
    """If true, a file that is the same as the last one is not kept again. It is not even
    transferred if the server can tell that it has not changed. Needs ``destination.volume``."""
    keep_last: Annotated[int | None, Field(ge=1, le=MAX_KEEP_LAST), NOT_BOOLEAN] = None
    """How many files of this schedule to keep; older ones are deleted after a run. If unset, all
    are kept. Needs ``destination.volume``."""
    destination: Annotated[Destination, rules.ONE_DESTINATION] = Destination()
    """Where the file is kept. Set at most one member. With none, the operator's default applies; if
    it has none, the file is discarded."""
    wait_for: Annotated[WaitFor | None, rules.WAIT_FOR] = None
    """How long a run waits, in its Pod, for a file that is late. If unset, a run fails if the file
    is not there. ``activeDeadlineSeconds`` must be greater by at least 60 seconds."""
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.FORBID
    """What to do at a tick while an earlier run is still active: ``Forbid`` starts no second run
    beside it, ``Allow`` starts one, ``Replace`` stops the earlier run and starts a new one."""
    starting_deadline_seconds: Annotated[int, Field(ge=10, le=604_800), NOT_BOOLEAN] = 300
    """A run that cannot start within this many seconds after its tick is skipped. At least 10,
    because the CronJob controller looks every 10 seconds."""
    backoff_limit: Annotated[int, Field(ge=0, le=10), NOT_BOOLEAN] = 3
    """Retries after the first attempt, with the exponential backoff of Kubernetes."""
    active_deadline_seconds: Annotated[
        int, Field(ge=1, le=MAX_ACTIVE_DEADLINE_SECONDS), NOT_BOOLEAN
    ] = DEFAULT_ACTIVE_DEADLINE_SECONDS
    """Seconds that a run may take in total, including retries."""
    history_limit: Annotated[int, Field(ge=1, le=MAX_HISTORY), NOT_BOOLEAN] = DEFAULT_HISTORY
    """How many finished runs to keep in ``status.history``. Active runs are kept as well, up to 100
    runs in total."""

    @model_validator(mode="after")
    def _schedule_fires(self) -> Self:
        rules.SPEC.enforce(self)
        schedule = cron.parse(self.schedule, self.time_zone, uid="")
        if not self._exclude_leaves_ticks(schedule):
            raise PydanticCustomError(
                "rule",
                "exclude leaves out every tick of the schedule; write fewer weekdays and "
                "monthDays, or suspend the schedule",
            )
        return self

    def _exclude_leaves_ticks(self, schedule: cron.CronSchedule) -> bool:
        """Return whether weekdays and days of the month leave ticks. It does not change with time.

        Dates pass, and the calendar is not known.
        """
        always = Exclude(weekdays=self.exclude.weekdays, month_days=self.exclude.month_days)
        exclusion = always.read_in(self.time_zone)
        return (
            exclusion is None
            or cron.next_included_tick(schedule, exclusion, _REFERENCE_DATE) is not None
        )
