"""The operator's cache of the cluster, kept up to date by watches and by its own writes.

Everything here can be lost at any moment: it is read again from the API server.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from download_operator.cache.object_store import ObjectStore
from download_operator.cache.objects import CronJob, Job, Pod, Schedule
from download_operator.cache.run_store import RunStore
from download_operator.cache.snapshot import Key, LastWrite, Refusal, Snapshot
from download_schedule.names import cron_job_name


@dataclass(slots=True)
class _Notes:
    """What we did about one schedule."""

    refusal: Refusal | None = None
    last_write: LastWrite | None = None
    jobs_listed_at: datetime | None = None


class ClusterCache:
    """Schedules, their CronJobs and their runs.

    ``put_*`` and ``remove_*`` take what watches deliver. They report every schedule about which a
    decision may now be different. ``note_*`` take responses to our own requests, after
    which the reconcile that made the request decides again anyway.

    Args:
        on_change: called with the key of each schedule that needs a new decision.
        clock: returns the time, with a time zone.
    """

    def __init__(self, on_change: Callable[[Key], None], clock: Callable[[], datetime]) -> None:
        self._on_change = on_change
        self._clock = clock
        self._schedules = ObjectStore[Key, Schedule](_key, attrgetter("uid"))
        self._cron_jobs = ObjectStore[Key, CronJob](_key)
        self._runs = RunStore(clock)
        self._notes: dict[Key, _Notes] = {}
        self._observed_since = clock()

    def start_observing(self) -> None:
        """Note that all collections are complete: no Job created from now on will be missed."""
        self._observed_since = self._clock()

    def schedules(self) -> Iterator[Schedule]:
        """Iterate over all schedules."""
        return iter(self._schedules)

    def cron_jobs(self) -> Iterator[CronJob]:
        """Iterate over all CronJobs."""
        return iter(self._cron_jobs)

    def jobs(self) -> Iterator[Job]:
        """Iterate over the Jobs that exist."""
        return self._runs.jobs()

    def pods(self) -> Iterator[Pod]:
        """Iterate over all Pods, including deleted attempts of runs that are still here."""
        return self._runs.pods()

    def snapshot(self, key: Key) -> Snapshot | None:
        """Return what is known about one schedule, or None if it does not exist."""
        schedule = self._schedules.get(key)
        if schedule is None:
            return None
        notes = self._notes.get(key) or _Notes()
        jobs_listed_at = notes.jobs_listed_at or self._observed_since
        return Snapshot(
            schedule=schedule,
            cron_job=self._cron_jobs.get((schedule.namespace, cron_job_name(schedule.name))),
            runs=self._runs.in_namespace(schedule.uid, schedule.namespace),
            refusal=notes.refusal,
            last_write=notes.last_write,
            observed_since=self._observed_since,
            jobs_listed_at=max(jobs_listed_at, self._observed_since),
        )

    def put_schedule(self, schedule: Schedule) -> None:
        """Store a schedule unless a newer version is known."""
        if self._store_schedule(schedule):
            self._on_change(_key(schedule))

    def remove_schedule(self, schedule: Schedule) -> None:
        """Forget a schedule. Its CronJob, Jobs and Pods leave by events of their own."""
        if self._schedules.remove(schedule):
            self._notes.pop(_key(schedule), None)
            self._on_change(_key(schedule))
        self._runs.forget_schedule(schedule.uid)

    def put_cron_job(self, cron_job: CronJob) -> None:
        """Store a CronJob unless a newer version is known."""
        before = self._cron_jobs.get(_key(cron_job))
        if self._cron_jobs.put(cron_job) and cron_job != before:
            self._report_cron_job(cron_job)

    def remove_cron_job(self, cron_job: CronJob) -> None:
        """Forget a CronJob."""
        self._cron_jobs.remove(cron_job)
        self._report_cron_job(cron_job)

    def put_job(self, job: Job) -> None:
        """Store a Job unless a newer version is known."""
        if self._runs.put_job(job):
            self._report(job.schedule_uid)

    def remove_job(self, job: Job) -> None:
        """Note that a Job was deleted. Its run stays until a status has recorded how it ended."""
        schedules = self._schedules.find(job.schedule_uid)
        status = next((s.status for s in schedules if s.namespace == job.namespace), None)
        self._runs.remove_job(job, status)
        if status is not None:
            self._report(job.schedule_uid)

    def put_pod(self, pod: Pod) -> None:
        """Store a Pod unless a newer version is known."""
        if self._runs.put_pod(pod):
            self._report(pod.schedule_uid)

    def remove_pod(self, pod: Pod) -> None:
        """Note that a Pod was deleted. Its last state stays for as long as its Job is a run."""
        if self._runs.remove_pod(pod):
            self._report(pod.schedule_uid)

    def note_schedule(self, schedule: Schedule) -> None:
        """Store the response to our own write of a status."""
        self._store_schedule(schedule)

    def note_cron_job(self, key: Key, spec_hash: str, cron_job: CronJob) -> None:
        """Store the response to our own write of a schedule's CronJob."""
        if notes := self._notes_of(key):
            notes.refusal = None
            notes.last_write = LastWrite(
                spec_hash, self._clock(), cron_job.uid, cron_job.generation
            )
        self._cron_jobs.put(cron_job)

    def note_refusal(self, key: Key, refusal: Refusal) -> None:
        """Remember that the API server did not accept a schedule's CronJob."""
        if notes := self._notes_of(key):
            notes.refusal = refusal

    def note_jobs(self, key: Key, jobs: Iterable[Job], listed_at: datetime) -> None:
        """Store a complete list of a schedule's Jobs, requested at *listed_at*."""
        for job in jobs:
            self.put_job(job)
        if notes := self._notes_of(key):
            notes.jobs_listed_at = listed_at

    def note_pods(self, job: Job, pods: Iterable[Pod]) -> None:
        """Store a complete list of the Pods of a Job that is over."""
        for pod in pods:
            self.put_pod(pod)
        self._runs.note_pods_listed(job)

    def _store_schedule(self, schedule: Schedule) -> bool:
        before = self._schedules.get(_key(schedule))
        if not self._schedules.put(schedule):
            return False
        if before and before.uid == schedule.uid:
            self._runs.note_status(schedule.uid, before.status)
        elif before:
            self._notes.pop(_key(schedule), None)
            self._runs.forget_schedule(before.uid)
        self._runs.note_status(schedule.uid, schedule.status)
        return True

    def _notes_of(self, key: Key) -> _Notes | None:
        if self._schedules.get(key) is None:
            return None
        return self._notes.setdefault(key, _Notes())

    def _report_cron_job(self, cron_job: CronJob) -> None:
        """Report the schedule that the label names, and the one that needs the CronJob's name."""
        self._report(cron_job.schedule_uid)
        namesake = self._schedules.get(_key(cron_job))
        if namesake and namesake.uid != cron_job.schedule_uid:
            self._on_change(_key(namesake))

    def _report(self, schedule_uid: str) -> None:
        for schedule in self._schedules.find(schedule_uid):
            self._on_change(_key(schedule))


_key: Callable[[Schedule | CronJob], Key] = attrgetter("namespace", "name")
