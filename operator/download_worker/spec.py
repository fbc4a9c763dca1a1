"""What a Pod's environment asks of the attempt in it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from download_schedule.attempt.task import PLACEHOLDERS, S3, Header, Task, Until, Volume
from download_schedule.attempt.task_document import decode
from download_schedule.attempt.variables import (
    ACCESS_KEY_ID_VARIABLE,
    ALLOW_CIDRS_VARIABLE,
    ALLOW_PORTS_VARIABLE,
    DENY_CIDRS_VARIABLE,
    JOB_VARIABLE,
    MEMORY_LIMIT_VARIABLE,
    PROXY_VARIABLE,
    RUN_VARIABLE,
    SECRET_ACCESS_KEY_VARIABLE,
    SESSION_TOKEN_VARIABLE,
    SPEC_VARIABLE,
    TICK_VARIABLE,
)
from download_worker.download_request import DownloadRequest
from download_worker.egress.policy import EgressPolicy, Range, parse_port, parse_range
from download_worker.errors import DownloadError, Reason, SkippedError
from download_worker.formats.converters import DEFAULT_MEMORY_BYTES, PAGE_FORMATS
from download_worker.http.curl import ConnectionOptions
from download_worker.http.messages import Request

if TYPE_CHECKING:
    from download_schedule.attempt.exclusion import Exclusion
    from download_worker.s3.bucket import Bucket
    from download_worker.templates import Templates

_PLACEHOLDER: Final = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
_JOB_MINUTES: Final = re.compile(r"-([0-9]{8})$")
"""Minutes since 1970 of the tick, which the CronJob controller puts at the end of a Job's name."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_TICK: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No schedule is older. Eight digits that mean an earlier moment are a date that a person wrote."""
_MAX_CLOCK_SKEW: Final = timedelta(days=1)


class S3Target(NamedTuple):
    """Where in a bucket the file goes."""

    bucket: "Bucket"
    key: str
    """Template of the object's key."""
    run: str | None
    """UID of the only run that may write an object of this key; None: any object is replaced."""


class Spec(NamedTuple):
    """One attempt of one run."""

    task: Task
    """Its URL, body and headers are those of this run."""
    url_of_run: str | None
    """Its URL, if another run may have another one."""
    tick: datetime
    """The run's tick, or the start of the attempt for a run without one."""
    templates: "Templates | None"
    """Fills in the path or key; None: it has :data:`PLACEHOLDERS` alone."""
    request: DownloadRequest
    destination: "Volume | S3Target | None"
    """Where the file goes; None: nowhere."""
    memory_bytes: int
    """What the container may use."""
    awaits_change_for: str | None
    """UID of the run, if it waits for another file than the last one."""

    def fill_template(self, template: str, filename: str) -> str:
        """Return the path or key that *template* means.

        Raises:
            DownloadError: it has an invisible character, or a part that leads elsewhere.
        """
        if not template.isprintable():
            raise DownloadError(
                Reason.INVALID_PATH,
                "The path has an invisible character, such as a control character or one that "
                "changes the direction of writing: leave it out.",
            )
        path = self._fill_in(template, filename)
        if {"", ".", ".."} & set(path.split("/")):
            raise DownloadError(
                Reason.INVALID_PATH,
                "The path has an empty, . or .. part after its placeholders are filled in: "
                "leave it out.",
            )
        return path

    def _fill_in(self, template: str, filename: str) -> str:
        if self.templates:
            try:
                return self.templates.fill_path(template, filename)
            except ValueError as error:
                raise _not_understood(str(error)) from error
        values = {
            "namespace": self.task.namespace,
            "name": self.task.name,
            "scheduled": self.tick.strftime("%Y%m%dT%H%M%SZ"),
            "filename": filename,
        }
        return _PLACEHOLDER.sub(lambda match: values[match[1]], template)

    def deadline(self, started: datetime) -> datetime:
        """Return when the run is expected to end, by its tick and `activeDeadlineSeconds`.

        A run that started late ends later. If it started so late that it would be over, it counts
        from *started*, the start of this attempt.
        """
        seconds = timedelta(seconds=self.task.active_deadline_seconds)
        return self.tick + seconds if self.tick + seconds > started else started + seconds


def read_spec(environment: Mapping[str, str], now: datetime) -> Spec:
    """Read the environment of the container, and fill in what each run has of its own.

    Raises:
        DownloadError: this version of the worker does not understand it.
        SkippedError: the schedule leaves out the day of the tick.
    """
    try:
        task = decode(environment[SPEC_VARIABLE])
        tick = _tick_given(environment) or _tick_of(environment[JOB_VARIABLE], now)
        if tick and task.exclude:
            _skip_if_excluded(task.exclude, tick, environment)
        tick = tick or now.replace(microsecond=0)
        templates = _load_templates(task, tick)
        url = task.url
        task = templates.fill_in(task) if templates else task
        request = _build_request(task, environment)
        return Spec(
            task=task,
            url_of_run=task.url if task.url != url else None,
            tick=tick,
            templates=templates,
            request=request,
            destination=_build_destination(task, environment, request.connection),
            memory_bytes=int(environment.get(MEMORY_LIMIT_VARIABLE, DEFAULT_MEMORY_BYTES)),
            awaits_change_for=environment[RUN_VARIABLE] if _awaits_change(task) else None,
        )
    except KeyError as error:
        raise _not_understood(f"{error.args[0]} is missing") from error
    except ValueError as error:
        raise _not_understood(str(error)) from error


def _skip_if_excluded(
    exclusion: "Exclusion", tick: datetime, environment: Mapping[str, str]
) -> None:
    from download_worker.exclusion import why_excluded

    if reason := why_excluded(exclusion, tick, environment):
        raise SkippedError(reason)


def _load_templates(task: Task, tick: datetime) -> "Templates | None":
    if task.time_zone is None:
        return None
    from download_worker.templates import Templates

    return Templates(task, tick)


def _tick_given(environment: Mapping[str, str]) -> datetime | None:
    """Return the tick of a run that was asked for with one."""
    text = environment.get(TICK_VARIABLE)
    if text is None:
        return None
    tick = datetime.fromisoformat(text)
    if tick.utcoffset() != timedelta() or tick < _EPOCH:
        raise ValueError(f"{TICK_VARIABLE} {text[:64]!r} is not a time in UTC after 1969")
    return tick


def _awaits_change(task: Task) -> bool:
    return task.wait_for is not None and task.wait_for.until is Until.CHANGED


def _tick_of(job: str, now: datetime) -> datetime | None:
    """Return the tick that began a run, or None if the name of its Job has none."""
    match = _JOB_MINUTES.search(job)
    if not match:
        return None
    tick = datetime.fromtimestamp(int(match[1]) * 60, UTC)
    return tick if _EARLIEST_TICK <= tick <= now + _MAX_CLOCK_SKEW else None


def _not_understood(cause: str) -> DownloadError:
    return DownloadError(
        Reason.INVALID_SPEC,
        f"The worker does not understand its environment ({cause}): "
        "use the worker image of the operator's own version.",
    )


def _build_request(task: Task, environment: Mapping[str, str]) -> DownloadRequest:
    headers = tuple((header.name, _header_value(header, environment)) for header in task.headers)
    body = (task.body or "").encode()
    return DownloadRequest(
        http=Request(task.url, headers, task.method, body),
        connection=ConnectionOptions(
            egress=_read_policy(environment),
            connect_timeout_seconds=task.connect_timeout_seconds,
            stall_timeout_seconds=task.stall_timeout_seconds,
            proxy=environment.get(PROXY_VARIABLE, ""),
        ),
        max_redirects=task.max_redirects,
        min_bytes=task.min_bytes,
        max_bytes=task.max_bytes,
        sha256=task.sha256,
        content_types=task.content_types,
        compressed=task.compressed or task.format in PAGE_FORMATS,
        late_statuses=task.wait_for.statuses if task.wait_for else (),
    )


def _read_policy(environment: Mapping[str, str]) -> EgressPolicy:
    return EgressPolicy(
        allowed=_read_ranges(environment, ALLOW_CIDRS_VARIABLE),
        denied=_read_ranges(environment, DENY_CIDRS_VARIABLE),
        ports=frozenset(map(parse_port, _read_list(environment, ALLOW_PORTS_VARIABLE))),
    )


def _read_ranges(environment: Mapping[str, str], variable: str) -> tuple[Range, ...]:
    return tuple(map(parse_range, _read_list(environment, variable)))


def _read_list(environment: Mapping[str, str], variable: str) -> list[str]:
    return [text for text in environment.get(variable, "").split(",") if text.strip()]


def _header_value(header: Header, environment: Mapping[str, str]) -> str:
    """Return a header's value. One from a Secret may end in the line feed of a file."""
    if header.variable is None:
        return header.value or ""
    value = environment[header.variable].rstrip("\r\n")
    if not value.isascii() or not value.isprintable():
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"The Secret's value for the header {header.name} is not printable ASCII on one "
            "line: correct the Secret.",
        )
    return value


def _build_destination(
    task: Task, environment: Mapping[str, str], connection: ConnectionOptions
) -> Volume | S3Target | None:
    destination = task.destination
    if not isinstance(destination, S3):
        return destination
    from download_worker.s3.bucket import Bucket

    bucket = Bucket(
        name=destination.bucket,
        endpoint=destination.endpoint,
        region=destination.region,
        credentials=_read_credentials(destination.secret, environment),
        secret=destination.secret,
        connection=connection,
    )
    run = environment[RUN_VARIABLE]
    is_key_of_one_run = _names_one_tick(destination.key, task)
    return S3Target(bucket, destination.key, run if is_key_of_one_run else None)


def _names_one_tick(key: str, task: Task) -> bool:
    if task.time_zone is None:
        return "{scheduled}" in key
    from download_schedule.attempt.template import names_one_tick

    return names_one_tick(key)


def _read_credentials(secret: str, environment: Mapping[str, str]) -> dict[str, str]:
    names = [ACCESS_KEY_ID_VARIABLE, SECRET_ACCESS_KEY_VARIABLE]
    if SESSION_TOKEN_VARIABLE in environment:
        names.append(SESSION_TOKEN_VARIABLE)
    credentials = {name: environment[name].strip() for name in names}
    for name, value in credentials.items():
        if not value.isascii() or not value.isprintable():
            raise DownloadError(
                Reason.INVALID_SPEC,
                f"{name} in the Secret {secret} is not printable ASCII on one line: "
                "correct the Secret.",
            )
    return credentials
