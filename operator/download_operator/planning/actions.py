"""What a plan may ask for next. The executor carries each action out."""

from dataclasses import dataclass
from datetime import datetime

from download_operator.cache.objects import Job
from download_operator.manifests.cron_job import DesiredState
from download_schedule.types import JSONObject


@dataclass(frozen=True, slots=True)
class CreateCronJob:
    """POST the CronJob."""

    desired: DesiredState


@dataclass(frozen=True, slots=True)
class ReplaceCronJob:
    """PUT the CronJob, because the schedule or the CronJob was edited."""

    desired: DesiredState


@dataclass(frozen=True, slots=True)
class SuspendCronJob:
    """Suspend the existing CronJob and change nothing else.

    ``suspend`` is the only field of an invalid spec that we can honour.
    """


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """PUT the status, and then publish warnings about what it says."""

    status: JSONObject
    warning: str = ""
    """One sentence about the ticks that the status counts as missed, or empty."""
    refusal: str = ""
    """One sentence about a request for a run that the status counts as served, or empty."""


@dataclass(frozen=True, slots=True)
class ReadPods:
    """List the Pods of Jobs that are over, because the watch has not shown how they ended."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class ReadJobs:
    """List the schedule's Jobs: a tick looks missed, but the watch of Jobs may be late."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """POST the Job for a request."""

    manifest: JSONObject


@dataclass(frozen=True, slots=True)
class StopRun:
    """DELETE a Job to make room for a requested run (``concurrencyPolicy: Replace``)."""

    job: Job


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before *until* unless an event comes; None: only an event can change anything."""

    until: datetime | None


Action = (
    CreateCronJob
    | ReplaceCronJob
    | SuspendCronJob
    | WriteStatus
    | ReadPods
    | ReadJobs
    | StartRun
    | StopRun
)
