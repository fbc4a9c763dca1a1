"""The runs of all schedules: Jobs with their Pods, kept until nothing depends on them any more."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
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
        self._pods = ObjectStore[str, Pod](lambda pod: pod.uid, lambda pod: pod.job_uid)

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
        """Store a Job unless a newer version is known; return whether it is news."""
        runs = self._runs.setdefault(job.schedule_uid, {})
        run = runs.get(job.uid)
        now = self._clock()
        ended_at = now if job.outcome else None
        if run is None:
            runs[job.uid] = Run(job, appeared_at=now, ended_at=ended_at)
            return True
        if run.job.resource_version >= job.resource_version:
            return False
        runs[job.uid] = replace(run, job=job, ended_at=run.ended_at or ended_at)
        return run.job != job

    def remove_job(self, job: Job, status: Mapping[str, Any] | None) -> None:
        """Note that a Job was deleted.

        Args:
            job: its last state.
            status: the current status of its schedule, or None if the schedule does not exist.
        """
        self.put_job(job)
        runs = self._runs[job.schedule_uid]
        runs[job.uid] = _as_deleted(runs[job.uid], self._clock())
        if status is None:
            self._drop(job.schedule_uid, job.uid)
        else:
            self.note_status(job.schedule_uid, status)

    def put_pod(self, pod: Pod) -> bool:
        """Store a Pod unless a newer version is known; return whether it is news."""
        return self._pods.put(pod)

    def remove_pod(self, pod: Pod) -> bool:
        """Note that a Pod was deleted; return whether that is news.

        Its last state stays as an attempt for as long as its Job is a run.
        """
        if pod.job_uid in self._runs.get(pod.schedule_uid, {}):
            return self._pods.put(pod)
        self._pods.remove(pod)
        return False

    def note_pods_listed(self, job: Job) -> None:
        """Note that all Pods of a Job were listed."""
        runs = self._runs.get(job.schedule_uid, {})
        if run := runs.get(job.uid):
            runs[job.uid] = replace(run, pods_listed=True)

    def note_status(self, schedule_uid: str, status: Mapping[str, Any]) -> None:
        """Note which runs a schedule's status has counted; drop those that are deleted too."""
        runs = self._runs.get(schedule_uid)
        if not runs:
            return
        for uid in counted(status).intersection(runs):
            if not runs[uid].is_recorded:
                runs[uid] = replace(runs[uid], is_recorded=True)
        self._drop_all(schedule_uid, (r for r in runs.values() if r.is_deleted and r.is_recorded))

    def forget_schedule(self, schedule_uid: str) -> None:
        """Drop the deleted runs of a schedule that was deleted: no status will ever count them.

        Its other Jobs and Pods leave by events of their own. In a foreground deletion the
        dependents are deleted first.
        """
        runs = self._runs.get(schedule_uid, {})
        self._drop_all(schedule_uid, (run for run in runs.values() if run.is_deleted))

    def _drop_all(self, schedule_uid: str, runs: Iterable[Run]) -> None:
        for uid in [run.job.uid for run in runs]:
            self._drop(schedule_uid, uid)

    def _drop(self, schedule_uid: str, job_uid: str) -> None:
        runs = self._runs[schedule_uid]
        del runs[job_uid]
        if not runs:
            del self._runs[schedule_uid]
        for pod in self._pods.find(job_uid):
            self._pods.remove(pod)


def _as_deleted(run: Run, now: datetime) -> Run:
    outcome = run.job.outcome or Outcome(
        is_completed=False,
        time=format_time(now),
        reason=JOB_DELETED,
        message="The Job was deleted before it was over.",
    )
    job = replace(run.job, outcome=outcome)
    return replace(run, job=job, is_deleted=True, ended_at=run.ended_at or now)
