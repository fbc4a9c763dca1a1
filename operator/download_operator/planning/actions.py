"""What a plan may say is to be done next, each carried out by the controller."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from download_operator.cache.objects import Job
from download_operator.manifests.cron_job import Desired

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CreateCronJob:
    """POST the CronJob."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class ReplaceCronJob:
    """PUT the CronJob: the schedule was edited, or the CronJob was."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class SuspendCronJob:
    """PUT the CronJob as it is, suspended: of a spec that is no good only that can be obeyed."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """PUT the status, and then tell of ticks that it counts as missed."""

    status: JSON
    missed: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadPods:
    """List the Pods of Jobs that are over: the watch has not told how their last ones ended."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class ReadJobs:
    """List the schedule's Jobs: of a tick that looks missed, the watch may not have told yet."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """POST the Job that somebody asked for."""

    manifest: JSON


@dataclass(frozen=True, slots=True)
class StopRun:
    """DELETE a Job that makes room for the one asked for (``concurrencyPolicy: Replace``)."""

    job: Job


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before *until* unless something happens; None: at all."""

    until: datetime | None


Deed = (
    CreateCronJob
    | ReplaceCronJob
    | SuspendCronJob
    | WriteStatus
    | ReadPods
    | ReadJobs
    | StartRun
    | StopRun
)
Action = Deed | Wait
