"""The runs of all schedules: Jobs with their Pods, kept until nothing depends on them any more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from download_operator.cache.object_store import ObjectStore, Tombstones
from download_operator.cache.objects import Job, Outcome, Pod
from download_operator.cache.snapshot import Run
from download_schedule.history import JOB_DELETED, counted
from download_schedule.timestamps import format_time


class RunStore:
    """Runs by UID of their Job. A run outlives its Job until a status has recorded how it ended::

        run       its Job is deleted              a status counts it    its schedule is deleted
        --------  ------------------------------  --------------------  -----------------------
        live      deleted; if the Job had not     recorded              dropped
                  ended, its outcome is
                  ``JobDeleted``
        recorded  dropped                         recorded              dropped
        deleted   deleted                         dropped               dropped

    If the schedule does not exist when its Job is deleted, no status will ever count the run: it is
    dropped at once. The Pods of a run stay until the run is dropped, even if they are deleted.

    The CronJob that controls a Job when it is first observed owns its run for good, whatever
    anybody writes into the Job's labels and owner references later.

    Args:
        clock: returns the time, with a time zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._runs: dict[str, Run] = {}
        """By UID of the Job."""
        self._owned: dict[str, dict[str, None]] = {}
        """UIDs of Jobs in the order of their first events, by UID of their CronJob."""
        self._pods = ObjectStore[str, Pod](attrgetter("uid"), attrgetter("job_uid"))
        self._tombstones = Tombstones()

    def jobs(self) -> Iterator[Job]:
        """Iterate over the Jobs that exist."""
        return (run.job for run in self._runs.values() if not run.is_deleted)

    def pods(self) -> Iterator[Pod]:
        """Iterate over all Pods, including deleted attempts of runs that are still here."""
        return iter(self._pods)

    def find_job(self, uid: str, namespace: str) -> Job | None:
        """Return the Job of a run, which may be deleted."""
        run = self._runs.get(uid)
        return run.job if run and run.job.namespace == namespace else None

    def owned_by(self, cron_job_uid: str, namespace: str) -> Iterator[tuple[Run, tuple[Pod, ...]]]:
        """Iterate over the runs of a CronJob and their attempts.

        A Job or Pod in another namespace is not one: anybody can write that CronJob's UID there.
        """
        for uid in self._owned.get(cron_job_uid, ()):
            run = self._runs[uid]
            if run.job.namespace == namespace:
                pods = self._pods.find(uid)
                yield run, tuple(pod for pod in pods if pod.namespace == namespace)

    def has_runs(self, cron_job_uid: str) -> bool:
        """Return whether there are runs of a CronJob."""
        return cron_job_uid in self._owned

    def put_job(self, job: Job) -> bool:
        """Store a Job unless a newer version is known; return whether it says something new."""
        run = self._runs.get(job.uid)
        if run and run.job.resource_version >= job.resource_version:
            return False
        if run is None:
            return self._add(job)
        job = _owned_as_before(job, run.job)
        ended_at = run.ended_at or (self._clock() if job.outcome else None)
        self._runs[job.uid] = run._replace(job=job, ended_at=ended_at)
        return run.job != job

    def remove_job(self, job: Job, status: Mapping[str, Any] | None) -> None:
        """Note that a Job was deleted.

        Args:
            job: its last state.
            status: the current status of its schedule, or None if the schedule does not exist.
        """
        if job.uid not in self._runs and not self._add(job):
            return
        now = self._clock()
        run = self._runs[job.uid]
        self._runs[job.uid] = run._replace(
            job=_with_outcome(_newer(run.job, _owned_as_before(job, run.job)), now),
            ended_at=run.ended_at or now,
            is_deleted=True,
        )
        if status is None or run.is_recorded or job.uid in counted(status):
            self._drop(job.uid)

    def put_pod(self, pod: Pod) -> bool:
        """Store a Pod unless a newer version is known; return whether it says something new."""
        before = self._pods.get(pod.uid)
        return self._pods.put(pod) and pod != before

    def has_pod(self, pod: Pod) -> bool:
        """Return whether a Pod is stored, in whatever version."""
        return self._pods.get(pod.uid) is not None

    def remove_pod(self, pod: Pod) -> bool:
        """Note that a Pod was deleted; return whether that says something new.

        Its last state stays as an attempt for as long as its Job is a run.
        """
        if self.find_job(pod.job_uid, pod.namespace):
            return self.put_pod(pod)
        if self.has_pod(pod):
            self._pods.remove(pod)
        return False

    def note_pods_listed(self, job: Job) -> None:
        """Note that all Pods of a Job were listed."""
        if run := self._runs.get(job.uid):
            self._runs[job.uid] = run._replace(pods_listed=True)

    def note_status(self, cron_job_uid: str, status: Mapping[str, Any]) -> None:
        """Note which runs of a CronJob were counted by the status of its schedule.

        Those that are deleted too are dropped.
        """
        owned = self._owned.get(cron_job_uid)
        if not owned:
            return
        for uid in counted(status).intersection(owned):
            if self._runs[uid].is_deleted:
                self._drop(uid)
            elif not self._runs[uid].is_recorded:
                self._runs[uid] = self._runs[uid]._replace(is_recorded=True)

    def forget_owner(self, cron_job_uid: str) -> None:
        """Drop the runs of a CronJob whose schedule was deleted: no status will ever count them."""
        for uid in tuple(self._owned.get(cron_job_uid, ())):
            self._drop(uid)

    def _add(self, job: Job) -> bool:
        """Add the run of a Job; return False if the Job is known to be deleted."""
        if self._tombstones.is_older(job):
            return False
        now = self._clock()
        self._runs[job.uid] = Run(job, appeared_at=now, ended_at=now if job.outcome else None)
        self._owned.setdefault(job.owner_uid, {})[job.uid] = None
        return True

    def _drop(self, job_uid: str) -> None:
        job = self._runs.pop(job_uid).job
        self._tombstones.bury(job)
        owned = self._owned[job.owner_uid]
        del owned[job_uid]
        if not owned:
            del self._owned[job.owner_uid]
        for pod in self._pods.find(job_uid):
            self._pods.remove(pod)


def _owned_as_before(job: Job, before: Job) -> Job:
    same = job.owner_uid == before.owner_uid
    return job if same else replace(job, owner_uid=before.owner_uid)


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
