"""What the cache hands out: values that never change, so that planning is free of surprises."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from download_operator.cache.objects import CronJob, Job, Pod, Schedule

Key = tuple[str, str]
"""Namespace and name of a schedule."""


class Run(NamedTuple):
    """A Job, and what the operator has noted about it. All times are by the operator's clock."""

    job: Job
    appeared_at: datetime
    """When the Job was first observed."""
    ended_at: datetime | None = None
    """When the Job was first observed to be over."""
    is_deleted: bool = False
    is_recorded: bool = False
    """True once any status has counted this run. A later status may drop its id: the leader that
    writes it may see the Job's deletion before a standby does. The run stays counted."""
    pods_listed: bool = False
    """True once its Pods were listed after it ended: no further news of them will come."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API server did not accept our CronJob."""

    spec_hash: str
    reason: str
    message: str
    time: datetime


@dataclass(frozen=True, slots=True)
class LastWrite:
    """Our last successful write of a schedule's CronJob."""

    spec_hash: str
    """What we sent. A webhook may have removed it from what the API server stored."""
    time: datetime
    cron_job_uid: str
    generation: int
    """The CronJob's generation after the write; a different one means that somebody edited it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a decision about one schedule needs."""

    schedule: Schedule
    cron_job: CronJob | None
    runs: tuple[tuple[Run, tuple[Pod, ...]], ...]
    """The schedule's runs with their attempts."""
    refusal: Refusal | None
    last_write: LastWrite | None
    observed_since: datetime
    """Jobs created after this moment are guaranteed to have been observed."""
    jobs_listed_at: datetime
    """When the schedule's Jobs were last listed; the events of a watch may be late."""
