"""What one attempt has to do, and the bounds of it.

The task never holds a Secret's value: it names the variable that does. Standard library only: the
worker imports this once per run. The small parts are named tuples, because defining a dataclass
takes a millisecond of every Pod's start.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from download_schedule.attempt.exclusion import Exclusion

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
    """Save the file on the claim that is mounted into the Pod."""

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
