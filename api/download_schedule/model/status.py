"""What users read back: the ``status`` of a ``DownloadSchedule``."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from download_schedule import cron
from download_schedule.attempt.result import MAX_CHARACTERS
from download_schedule.ledger import LETTERS, MAX_TICKS
from download_schedule.model.base import Model, map_keyed_by
from download_schedule.model.spec import MAX_HISTORY
from download_schedule.names import MAX_JOB_NAME, MAX_TOKEN

MAX_RUN_REQUESTS: Final = 100
"""Number of recent run-request tokens remembered; reusing an older token starts a new run."""


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "Schedule"
    MANUAL = "Manual"


class State(StrEnum):
    """The state of a run."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over, so that its state does not change any more."""
        return self in (State.COMPLETED, State.FAILED, State.SKIPPED)


class Run(Model):
    """One run: a Job and the outcome of its attempts."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=64)]
    """UID of the Job."""
    job: Annotated[str, Field(max_length=MAX_JOB_NAME)]
    """Name of the Job."""
    trigger: Trigger
    """What started the run."""
    token: Annotated[str | None, Field(max_length=MAX_TOKEN)] = None
    """The value of the annotation ``downloads.dev/run-requested`` that asked for a manual run."""
    state: State
    """The state of the run."""
    scheduled_time: datetime | None = None
    """The tick for which the run started. Absent for a manual run that was asked for without one.
    """
    start_time: datetime | None = None
    """When the Job started."""
    completion_time: datetime | None = None
    """When the run ended."""
    attempts: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Pods started so far."""
    url: Annotated[str | None, Field(max_length=MAX_CHARACTERS["url"])] = None
    """Address that the run fetched, if ``spec.url`` has placeholders."""
    bytes: Annotated[int | None, Field(ge=0)] = None
    """Size of the file, in bytes."""
    sha256: Annotated[str | None, Field(max_length=MAX_CHARACTERS["sha256"])] = None
    """SHA-256 digest of the file, in lower-case hexadecimal digits."""
    http_status: Annotated[int | None, Field(ge=100, le=599)] = None
    """HTTP status of the last response."""
    content_type: Annotated[str | None, Field(max_length=MAX_CHARACTERS["contentType"])] = None
    """Media type of the response."""
    etag: Annotated[str | None, Field(max_length=MAX_CHARACTERS["etag"])] = None
    """ETag of the response."""
    location: Annotated[str | None, Field(max_length=MAX_CHARACTERS["location"])] = None
    """Where the file is kept, such as ``volume://claim/path``."""
    unchanged: bool | None = None
    """True if the file was the same as the last one, so that it was not kept again."""
    length_unverified: bool | None = None
    """True if the response did not say how long the body is, so that it may have been cut short."""
    reason: Annotated[str | None, Field(max_length=MAX_CHARACTERS["reason"])] = None
    """Why the last failed attempt failed, as a word in CamelCase; ``Excluded`` if the run was
    skipped."""
    message: Annotated[str | None, Field(max_length=MAX_CHARACTERS["message"])] = None
    """Why the last failed attempt failed, or the run was skipped, as a sentence. Of a run that
    waits for a file (``waitFor``), until when it does."""


class Condition(Model):
    """One aspect of the schedule's health (a ``metav1.Condition``)."""

    model_config = ConfigDict(extra="ignore")

    type: Annotated[str, Field(max_length=316)]
    """What the condition is about: ``Ready`` or ``Healthy``."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why the condition has this status, as a word in CamelCase."""
    message: Annotated[str, Field(max_length=4096)]
    """Why the condition has this status, as a sentence."""
    last_transition_time: datetime
    """When the status last changed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The ``metadata.generation`` that the condition is about."""


class Counts(Model):
    """Totals since the schedule was created. They only grow."""

    model_config = ConfigDict(extra="ignore")

    completed: Annotated[int, Field(ge=0)] = 0
    """Runs that completed."""
    failed: Annotated[int, Field(ge=0)] = 0
    """Runs that failed."""
    missed: Annotated[int, Field(ge=0)] = 0
    """Ticks that had no run, although no day was left out."""
    skipped: Annotated[int, Field(ge=0)] = 0
    """Runs that were skipped, because ``spec.exclude`` leaves out the day of their tick."""


class Ticks(Model):
    """What became of each of the latest ticks. It starts again if the expression or the time zone
    changes."""

    model_config = ConfigDict(extra="ignore")

    latest: datetime
    """The tick of the first letter."""
    outcomes: Annotated[str, Field(max_length=MAX_TICKS, pattern=f"^[{LETTERS}]*$")]
    """A letter for each tick, newest first, without a gap: ``C`` its latest run completed, ``F``
    failed, ``R`` is active; ``M`` missed, ``S`` passed while suspended, ``X`` excluded, ``U``
    not judged."""
    schedule: Annotated[str, Field(max_length=cron.MAX_LENGTH)]
    """The expression, with a value for every ``H``."""
    time_zone: Annotated[str, Field(max_length=64)]
    """The time zone of the expression."""


class Status(Model):
    """What the operator reports. Zeros and empty values are left out."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The ``metadata.generation`` that the operator last acted on."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra=map_keyed_by("type"),
        ),
    ] = ()
    """``Ready``: Kubernetes runs the schedule. ``Healthy``: the last finished run completed;
    skipped ones do not count."""
    cron_job_name: Annotated[str | None, Field(max_length=52)] = None
    """Name of the CronJob that runs the schedule."""
    schedule: Annotated[str | None, Field(max_length=cron.MAX_LENGTH)] = None
    """The expression of the CronJob, with a value for every ``H``."""
    active: Annotated[int, Field(ge=0)] = 0
    """Runs that are pending or running."""
    last_run_time: datetime | None = None
    """When the latest run started."""
    last_success_time: datetime | None = None
    """When the latest completed run ended."""
    next_run_time: datetime | None = None
    """The next tick on a day that ``spec.exclude`` does not leave out. Dates from a ConfigMap are
    not known to the operator."""
    consecutive_failures: Annotated[int, Field(ge=0)] = 0
    """Runs that failed since the last one that completed."""
    counts: Counts = Counts()
    settled_until: datetime | None = None
    """Every tick up to this time is settled: it had a run, is counted as missed, is on a day that
    is left out, or passed while the schedule was suspended."""
    ticks: Ticks | None = None
    """What became of each of the latest ticks, at most 1,000."""
    cron_job_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the CronJob after the operator's last write. A different one means that
    somebody else has changed the CronJob."""
    run_requests: Annotated[
        tuple[Annotated[str, Field(max_length=10)], ...],
        Field(max_length=MAX_RUN_REQUESTS, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The latest requests for a manual run that have been served, newest first. Each is the last
    part of its Job's name."""
    history: Annotated[
        tuple[Run, ...],
        Field(max_length=MAX_HISTORY, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The latest runs, newest first: all active ones and up to ``spec.historyLimit`` finished
    ones."""
    recorded: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=1000, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Ids of runs that are counted and no longer in ``history``, but whose Job still exists."""
