"""The runs of all schedules: Jobs with their Pods, kept until nothing depends on them any more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from download_operator.cache.object_store import ObjectStore
from download_operator.cache.objects import Job, Outcome, Pod
from download_operator.cache.snapshot import Run
from download_schedule.history import JOB_DELETED, counted
from download_schedule.timestamps import format_time


class RunStore:
    """Runs by schedule. A run outlives its Job until a status has recorded how it ended::

        run       its Job is deleted              a status counts it    its schedule is deleted
        --------  ------------------------------  --------------------  -----------------------
        live      deleted; if the Job had not     recorded              live
                  ended, its outcome is
                  ``JobDeleted``
        recorded  dropped                         recorded              recorded
        deleted   deleted                         dropped               dropped

    If the schedule does not exist when its Job is deleted, no status will ever count the run: it is
    dropped at once. The Pods of a run stay until the run is dropped, even if they are deleted.

    Args:
        clock: returns the time, with a time zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._runs: dict[str, dict[str, Run]] = {}
        """By UID of the schedule and UID of the Job."""
        self._pods = ObjectStore[str, Pod](attrgetter("uid"), attrgetter("job_uid"))

    def jobs(self) -> Iterator[Job]:
        """Iterate over the Jobs that exist."""
        for runs in self._runs.values():
            for run in runs.values():
                if not run.is_deleted:
                    yield run.job

    def pods(self) -> Iterator[Pod]:
        """Iterate over all Pods, including deleted attempts of runs that are still here."""
        return iter(self._pods)

    def in_namespace(
        self, schedule_uid: str, namespace: str
    ) -> tuple[tuple[Run, tuple[Pod, ...]], ...]:
        """Return a schedule's runs and their attempts.

        Objects in other namespaces that carry our label are ignored.
        """
        return tuple(
            (
                run,
                tuple(pod for pod in self._pods.find(run.job.uid) if pod.namespace == namespace),
            )
            for run in self._runs.get(schedule_uid, {}).values()
            if run.job.namespace == namespace
        )

    def put_job(self, job: Job) -> bool:
        """Store a Job unless a newer version is known; return whether it says something new."""
        runs = self._runs.setdefault(job.schedule_uid, {})
        run = runs.get(job.uid)
        if run and run.job.resource_version >= job.resource_version:
            return False
        now = self._clock()
        ended_at = now if job.outcome else None
        if run is None:
            runs[job.uid] = Run(job, appeared_at=now, ended_at=ended_at)
            return True
        runs[job.uid] = run._replace(job=job, ended_at=run.ended_at or ended_at)
        return run.job != job

    def remove_job(self, job: Job, status: Mapping[str, Any] | None) -> None:
        """Note that a Job was deleted.

        Args:
            job: its last state.
            status: the current status of its schedule, or None if the schedule does not exist.
        """
        now = self._clock()
        runs = self._runs.setdefault(job.schedule_uid, {})
        run = runs.get(job.uid) or Run(job, appeared_at=now)
        runs[job.uid] = run._replace(
            job=_with_outcome(_newer(run.job, job), now),
            ended_at=run.ended_at or now,
            is_deleted=True,
        )
        if status is None or run.is_recorded or job.uid in counted(status):
            self._drop(job.schedule_uid, job.uid)

    def put_pod(self, pod: Pod) -> bool:
        """Store a Pod unless a newer version is known; return whether it says something new."""
        before = self._pods.get(pod.uid)
        return self._pods.put(pod) and pod != before

    def remove_pod(self, pod: Pod) -> bool:
        """Note that a Pod was deleted; return whether that says something new.

        Its last state stays as an attempt for as long as its Job is a run.
        """
        if pod.job_uid in self._runs.get(pod.schedule_uid, {}):
            return self.put_pod(pod)
        self._pods.remove(pod)
        return False

    def note_pods_listed(self, job: Job) -> None:
        """Note that all Pods of a Job were listed."""
        runs = self._runs.get(job.schedule_uid, {})
        if run := runs.get(job.uid):
            runs[job.uid] = run._replace(pods_listed=True)

    def note_status(self, schedule_uid: str, status: Mapping[str, Any]) -> None:
        """Note which runs a schedule's status has counted; drop those that are deleted too."""
        runs = self._runs.get(schedule_uid)
        if not runs:
            return
        for uid in counted(status).intersection(runs):
            if runs[uid].is_deleted:
                self._drop(schedule_uid, uid)
            elif not runs[uid].is_recorded:
                runs[uid] = runs[uid]._replace(is_recorded=True)

    def forget_schedule(self, schedule_uid: str) -> None:
        """Drop the deleted runs of a schedule that was deleted: no status will ever count them.

        Its other Jobs and Pods leave by events of their own. In a foreground deletion the
        dependents are deleted first.
        """
        runs = self._runs.get(schedule_uid, {})
        for uid in [uid for uid, run in runs.items() if run.is_deleted]:
            self._drop(schedule_uid, uid)

    def _drop(self, schedule_uid: str, job_uid: str) -> None:
        runs = self._runs[schedule_uid]
        del runs[job_uid]
        if not runs:
            del self._runs[schedule_uid]
        for pod in self._pods.find(job_uid):
            self._pods.remove(pod)


def _newer(before: Job, job: Job) -> Job:
    return job if job.resource_version > before.resource_version else before


def _with_outcome(job: Job, now: datetime) -> Job:
    """Return a deleted Job with the outcome that it has or, if it had not ended, that it gets."""
    if job.outcome:
        return job
    outcome = Outcome(
        is_completed=False,
        time=format_time(now),
        reason=JOB_DELETED,
        message="The Job was deleted before it was over.",
    )
    return replace(job, outcome=outcome)
