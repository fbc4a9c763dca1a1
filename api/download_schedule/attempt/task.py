"""What one attempt has to do: the document and the variables that its Pod starts with.

The operator writes them into the Pod, and the worker reads them back. The document never holds a
Secret's value: the kubelet puts each into a variable of its own, which the document names. A Pod's
author can write anything there, so :func:`decode` believes nothing.

Standard library only: the worker imports this once per run. The small parts are named tuples,
because defining a dataclass takes a millisecond of every Pod's start.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from download_schedule.attempt.members import Members

if TYPE_CHECKING:
    from download_schedule.attempt.exclusion import Exclusion

SPEC_VARIABLE: Final = "DOWNLOAD_SPEC"
"""The task of the attempt, as JSON."""
JOB_VARIABLE: Final = "DOWNLOAD_JOB"
"""Name of the run's Job."""
TICK_VARIABLE: Final = "DOWNLOAD_TICK"
"""The run's tick, such as ``2026-11-29T02:00:00Z``; only a run that somebody asked for with a tick
has it. Otherwise the tick is in the name of the Job."""
RUN_VARIABLE: Final = "DOWNLOAD_RUN"
"""UID of the run's Job; only an attempt that writes to a bucket or waits for a change has it."""
ALLOW_CIDRS_VARIABLE: Final = "DOWNLOAD_WORKER_ALLOW_CIDRS"
"""Address ranges that are open beyond public addresses, separated by commas. One with a port, such
as ``10.0.0.0/8:443``, is open at that port alone."""
DENY_CIDRS_VARIABLE: Final = "DOWNLOAD_WORKER_DENY_CIDRS"
"""Address ranges that are closed whatever else is open, in the same form."""
ALLOW_PORTS_VARIABLE: Final = "DOWNLOAD_WORKER_ALLOW_PORTS"
"""Ports that are open beside 80, 443 and those above 1023, separated by commas."""
PROXY_VARIABLE: Final = "DOWNLOAD_WORKER_PROXY"
"""The proxy, ``http://host:port``, through which every connection goes."""
MEMORY_LIMIT_VARIABLE: Final = "DOWNLOAD_WORKER_MEMORY_LIMIT"
"""Bytes of memory that the container may use; a conversion gets most of them."""
LOG_FORMAT_VARIABLE: Final = "DOWNLOAD_WORKER_LOG_FORMAT"
"""``json`` for one JSON object a line; without the variable, lines are plain text."""
JSON_LOG_FORMAT: Final = "json"
CALENDAR_VARIABLE: Final = "DOWNLOAD_CALENDAR"
"""Dates that the schedule leaves out, from a ConfigMap; only with `exclude.calendarRef`, and absent
if the ConfigMap or its key is."""
CALENDAR_KEY: Final = "dates"
"""Key of that ConfigMap."""
CA_FILE_VARIABLE: Final = "SSL_CERT_FILE"
"""Path of a bundle of CA certificates, as OpenSSL calls it."""
ACCESS_KEY_ID_VARIABLE: Final = "AWS_ACCESS_KEY_ID"
"""User of the bucket, named as Amazon's own tools do. The Secret's key has this name too."""
SECRET_ACCESS_KEY_VARIABLE: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name, not a secret
"""Password of that user. The Secret's key has this name too."""
SESSION_TOKEN_VARIABLE: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - as above
"""Token of temporary credentials; optional. The Secret's key has this name too."""

DATA_PATH: Final = "/data"
"""Folder at which the schedule's claim is mounted."""

MAX_SPEC_CHARACTERS: Final = 128 * 1024 - len(f"{SPEC_VARIABLE}=") - 1
"""Linux starts no process with a longer variable; name, equals sign and final zero count."""

DEFAULT_CONNECT_TIMEOUT_SECONDS: Final = 10
MAX_CONNECT_TIMEOUT_SECONDS: Final = 300
DEFAULT_STALL_TIMEOUT_SECONDS: Final = 30
MAX_STALL_TIMEOUT_SECONDS: Final = 3600
DEFAULT_ACTIVE_DEADLINE_SECONDS: Final = 3600
MAX_ACTIVE_DEADLINE_SECONDS: Final = 7 * 24 * 3600
DEFAULT_MAX_REDIRECTS: Final = 5
MAX_REDIRECTS: Final = 20
DEFAULT_MAX_BYTES: Final = 10 * 1024**3
MAX_BODY_BYTES: Final = 2**53
"""Integers up to here survive tools that read JSON numbers as doubles, such as JavaScript."""
MAX_KEEP_LAST: Final = 10_000
DEFAULT_LOOK_EVERY_SECONDS: Final = 300
MIN_LOOK_EVERY_SECONDS: Final = 10
MAX_LOOK_EVERY_SECONDS: Final = 3600
MAX_LATE_STATUSES: Final = 16

PLACEHOLDERS: Final = ("namespace", "name", "scheduled", "filename")
"""Placeholders in the path or key of a task without a time zone."""


class Format(StrEnum):
    """The form in which the file is kept."""

    RAW = "raw"
    """The body as the server sent it."""
    HTML = "html"
    """The page in UTF-8."""
    TEXT = "text"
    """The main article of the page as plain text."""
    MARKDOWN = "markdown"
    """The main article of the page as Markdown."""
    JSON = "json"
    """A JSON document with the body in base64 and metadata of the response."""
    PDF = "pdf"
    """The page as a browser prints it. The operator must be configured with an image for it."""


class Method(StrEnum):
    """The HTTP method of the request."""

    GET = "GET"
    POST = "POST"


class Until(StrEnum):
    """What a run waits for."""

    EXISTS = "Exists"
    """The server has the file."""
    CHANGED = "Changed"
    """The server has another file than the last one that was kept."""


class WaitFor(NamedTuple):
    """Wait for a file that is late."""

    until: Until
    every_seconds: int
    """Pause after a look."""
    at_most_seconds: int
    """Time from the run's tick to its last look."""
    statuses: tuple[int, ...]
    """HTTP statuses that mean that the file is not there yet."""


class Header(NamedTuple):
    """A request header. Exactly one of value and variable is set."""

    name: str
    value: str | None = None
    variable: str | None = None
    """Environment variable that holds the value, which comes from a Secret."""


class Volume(NamedTuple):
    """Save the file on the claim that is mounted at :data:`DATA_PATH`."""

    claim: str
    path: str
    """Template of the path in the volume."""
    overwrite: bool = False
    """Replace a file that the schedule did not write."""
    free_path: bool = False
    """The path may lead out of the schedule's own folder."""


class S3(NamedTuple):
    """Save the file as an object in a bucket of an S3 service."""

    bucket: str
    key: str
    """Template of the object's key."""
    endpoint: str | None
    """Address of the service; None stands for Amazon's."""
    region: str
    secret: str
    """Name of the Secret with the credentials, for messages."""


Destination = Volume | S3 | None
"""Where the file goes; None: it is fetched, verified and discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt of a schedule's run. Most fields are named as in the resource's ``spec``."""

    namespace: str
    name: str
    """Name of the schedule."""
    url: str
    format: Format
    method: Method
    body: str | None
    headers: tuple[Header, ...]
    """In the order in which they are sent."""
    compressed: bool
    connect_timeout_seconds: int
    stall_timeout_seconds: int
    max_redirects: int
    sha256: str | None
    min_bytes: int
    max_bytes: int
    content_types: tuple[str, ...]
    only_if_changed: bool
    keep_last: int | None
    destination: Destination
    active_deadline_seconds: int = DEFAULT_ACTIVE_DEADLINE_SECONDS
    """For the whole run, of which this attempt may not be the first."""
    time_zone: str | None = None
    """Zone of the times in URL, body, headers, path and key, which are templates. None: URL, body
    and headers are texts, and the path or key has :data:`PLACEHOLDERS` alone."""
    schedule: str | None = None
    """Cron expression, for a template that asks for the tick before."""
    wait_for: WaitFor | None = None
    """None: a file that is not there fails the attempt."""
    exclude: "Exclusion | None" = None
    """Days whose tick ends at once."""


def header_variable(index: int) -> str:
    """Return the name of the variable for the value of the header at *index*, from a Secret."""
    return f"DOWNLOAD_HEADER_{index}"


def encode(task: Task) -> str:
    """Return *task* as a JSON document of ASCII characters, for :data:`SPEC_VARIABLE`.

    Raises:
        ValueError: the document has more than :data:`MAX_SPEC_CHARACTERS`.
    """
    request = {
        "method": task.method.value,
        "body": task.body,
        "headers": [_compact(header._asdict()) for header in task.headers],
        "compressed": task.compressed,
        "connectTimeoutSeconds": task.connect_timeout_seconds,
        "stallTimeoutSeconds": task.stall_timeout_seconds,
        "maxRedirects": task.max_redirects,
    }
    verify = {
        "sha256": task.sha256,
        "minBytes": task.min_bytes,
        "maxBytes": task.max_bytes,
        "contentTypes": list(task.content_types),
    }
    # Only what is set: a schedule with the default needs no new CronJob.
    is_default = task.active_deadline_seconds == DEFAULT_ACTIVE_DEADLINE_SECONDS
    deadline = {} if is_default else {"activeDeadlineSeconds": task.active_deadline_seconds}
    # Only where it is needed: a schedule without templates needs no new CronJob.
    templates = _compact({"timeZone": task.time_zone, "schedule": task.schedule})
    exclude = {"exclude": _encode_exclusion(task.exclude)} if task.exclude else {}
    document = json.dumps(
        {
            "namespace": task.namespace,
            "name": task.name,
            "url": task.url,
            "format": task.format.value,
            "request": _compact(request),
            "verify": _compact(verify),
            "onlyIfChanged": task.only_if_changed,
            "keepLast": task.keep_last,
            "destination": _encode_destination(task.destination),
            **deadline,
            **templates,
            **_encode_wait_for(task.wait_for),
            **exclude,
        },
        separators=(",", ":"),
    )
    if len(document) > MAX_SPEC_CHARACTERS:
        raise ValueError(
            f"spec.request: headers and body make {len(document)} characters of JSON in ASCII, and "
            f"{MAX_SPEC_CHARACTERS} can be given to a download; shorten them"
        )
    return document


def decode(document: str) -> Task:
    """Read the document back.

    A member that this version does not know is refused. Otherwise an older worker would leave out
    what a newer operator asks for, such as a check of the body.

    Raises:
        ValueError: it is not a task; the sentence says what is wrong with it.
    """
    if len(document) > MAX_SPEC_CHARACTERS:
        raise ValueError(f"task is longer than {MAX_SPEC_CHARACTERS} characters")
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"task is not JSON: {error}") from None
    members = Members(data, "task")
    task = _decode_task(members)
    members.refuse_unread()
    return task


def _decode_task(task: Members) -> Task:
    request = task.nested("request")
    verify = task.nested("verify")
    return Task(
        namespace=task.text("namespace"),
        name=task.text("name"),
        url=task.text("url"),
        format=Format(task.choice("format", tuple(Format))),
        method=Method(request.choice("method", tuple(Method))),
        body=request.optional_text("body"),
        headers=tuple(_decode_header(header) for header in request.nested_list("headers")),
        compressed=request.flag("compressed"),
        connect_timeout_seconds=request.number(
            "connectTimeoutSeconds", 1, MAX_CONNECT_TIMEOUT_SECONDS
        ),
        stall_timeout_seconds=request.number("stallTimeoutSeconds", 1, MAX_STALL_TIMEOUT_SECONDS),
        max_redirects=request.number("maxRedirects", 0, MAX_REDIRECTS),
        sha256=_decode_sha256(verify),
        min_bytes=verify.number("minBytes", 0, MAX_BODY_BYTES),
        max_bytes=verify.number("maxBytes", 1, MAX_BODY_BYTES),
        content_types=verify.texts("contentTypes"),
        only_if_changed=task.flag("onlyIfChanged"),
        keep_last=task.optional_number("keepLast", 1, MAX_KEEP_LAST),
        destination=_decode_destination(task.nested("destination")),
        active_deadline_seconds=task.optional_number(
            "activeDeadlineSeconds", 1, MAX_ACTIVE_DEADLINE_SECONDS
        )
        or DEFAULT_ACTIVE_DEADLINE_SECONDS,
        time_zone=task.optional_text("timeZone"),
        schedule=task.optional_text("schedule"),
        wait_for=_decode_wait_for(task.optional_nested("waitFor")),
        exclude=_decode_exclusion(task.nested("exclude")) if task.has("exclude") else None,
    )


def _compact(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _encode_wait_for(wait_for: WaitFor | None) -> dict[str, object]:
    if wait_for is None:
        return {}  # a schedule that does not wait needs no new CronJob
    members = {
        "until": wait_for.until.value,
        "everySeconds": wait_for.every_seconds,
        "atMostSeconds": wait_for.at_most_seconds,
        "statuses": list(wait_for.statuses),
    }
    return {"waitFor": members}


def _decode_wait_for(wait_for: Members | None) -> WaitFor | None:
    if wait_for is None:
        return None
    return WaitFor(
        until=Until(wait_for.choice("until", tuple(Until))),
        every_seconds=wait_for.number("everySeconds", 1, MAX_LOOK_EVERY_SECONDS),
        at_most_seconds=wait_for.number("atMostSeconds", 1, MAX_ACTIVE_DEADLINE_SECONDS),
        statuses=wait_for.numbers("statuses", 202, 599),
    )


def _encode_destination(destination: Destination) -> dict[str, object]:
    match destination:
        case Volume(claim, path, overwrite, free_path):
            # Only what is set: a schedule that sets neither needs no new CronJob.
            flags = {"overwrite": overwrite or None, "freePath": free_path or None}
            return {"volume": _compact({"claimName": claim, "path": path, **flags})}
        case S3(bucket, key, endpoint, region, secret):
            credentials = {"name": secret}
            s3 = {
                "bucket": bucket,
                "key": key,
                "endpoint": endpoint,
                "region": region,
                "credentialsSecretRef": credentials,
            }
            return {"s3": _compact(s3)}
    return {"discard": {}}


def _decode_destination(destination: Members) -> Destination:
    kind = destination.only_name()
    if kind == "volume":
        volume = destination.nested(kind)
        return Volume(
            volume.text("claimName"),
            volume.text("path"),
            volume.optional_flag("overwrite"),
            volume.optional_flag("freePath"),
        )
    if kind == "s3":
        s3 = destination.nested(kind)
        return S3(
            bucket=s3.text("bucket"),
            key=s3.text("key"),
            endpoint=s3.optional_text("endpoint"),
            region=s3.text("region"),
            secret=s3.nested("credentialsSecretRef").text("name"),
        )
    if kind == "discard":
        destination.nested(kind)
        return None
    raise ValueError(f"destination {kind!r} is unknown")


def _encode_exclusion(exclusion: "Exclusion") -> dict[str, object]:
    return _compact(
        {
            "timeZone": exclusion.time_zone,
            "dates": list(exclusion.dates),
            "weekdays": list(exclusion.weekdays),
            "monthDays": list(exclusion.month_days),
            "calendar": exclusion.calendar,
        }
    )


def _decode_exclusion(exclude: Members) -> "Exclusion":
    from download_schedule.attempt.exclusion import (  # noqa: PLC0415 - few attempts need it
        Exclusion,
    )

    return Exclusion(
        time_zone=exclude.text("timeZone"),
        dates=exclude.texts("dates"),
        weekdays=exclude.texts("weekdays"),
        month_days=exclude.numbers("monthDays", -1, 31),
        calendar=exclude.optional_text("calendar"),
    )


def _decode_header(header: Members) -> Header:
    decoded = Header(
        header.text("name"), header.optional_text("value"), header.optional_text("variable")
    )
    if (decoded.value is None) == (decoded.variable is None):
        raise ValueError(f"header {decoded.name!r} needs exactly one of value and variable")
    return decoded


def _decode_sha256(verify: Members) -> str | None:
    sha256 = verify.optional_text("sha256")
    if sha256 is not None and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise ValueError("sha256 is not 64 lower-case hexadecimal digits")
    return sha256
