"""The operator's cache of the cluster, kept up to date by watches and by its own writes.

Everything here can be lost at any moment: it is read again from the API server.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final

from download_operator.cache.object_store import ObjectStore
from download_operator.cache.objects import CronJob, Job, Pod, Schedule
from download_operator.cache.run_store import RunStore
from download_operator.cache.snapshot import Key, LastWrite, Refusal, Snapshot
from download_schedule.names import cron_job_name

MAX_OWNERS: Final = 8
"""CronJobs of one schedule that are remembered although they have no runs, the deleted ones
included: an event of one of their Jobs may still be on its way."""


@dataclass(slots=True)
class _Notes:
    """What we did about one schedule, and whose Jobs are its runs."""

    refusal: Refusal | None = None
    last_write: LastWrite | None = None
    jobs_listed_at: datetime | None = None
    owners: dict[str, None] = field(default_factory=dict)
    """UIDs of its CronJob and of former ones, oldest first. Jobs that they control are its runs."""


class ClusterCache:
    """Schedules, their CronJobs and their runs.

    ``put_*`` and ``remove_*`` take what watches deliver. They report every schedule about which a
    decision may now be different. ``note_*`` take responses to our own requests, after
    which the reconcile that made the request decides again anyway.

    Whose a Job or Pod is, its controller decides: the CronJob of a schedule in the same namespace,
    or the Job of a run. The label says only which objects may be worth storing before that is
    known, and those of schedules that do not exist are not.

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
        self._owners: dict[str, Key] = {}
        """Schedules by UID of their CronJobs, see :attr:`_Notes.owners`."""
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
            runs=tuple(
                run for uid in notes.owners for run in self._runs.owned_by(uid, schedule.namespace)
            ),
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
        """Forget a schedule and its runs. Its CronJob leaves by an event of its own."""
        if self._schedules.remove(schedule):
            self._forget(_key(schedule))
            self._on_change(_key(schedule))

    def put_cron_job(self, cron_job: CronJob) -> None:
        """Store a schedule's CronJob unless a newer version is known."""
        before = self._cron_jobs.get(_key(cron_job))
        if before is None and not self._is_needed(cron_job):
            return
        if self._store_cron_job(cron_job) and cron_job != before:
            self._report_cron_job(cron_job)

    def remove_cron_job(self, cron_job: CronJob) -> None:
        """Forget a CronJob. Its Jobs leave by events of their own."""
        if self._cron_jobs.get(_key(cron_job)) is None and not self._is_needed(cron_job):
            return
        self._cron_jobs.remove(cron_job)
        self._report_cron_job(cron_job)

    def put_job(self, job: Job) -> None:
        """Store a Job that may be a run unless a newer version is known."""
        if self._may_be_run(job) and self._runs.put_job(job):
            self._report_run(job)

    def remove_job(self, job: Job) -> None:
        """Note that a Job was deleted. Its run stays until a status has recorded how it ended."""
        if not self._may_be_run(job):
            return
        key = self._schedule_of(job)
        schedule = self._schedules.get(key) if key else None
        self._runs.remove_job(job, schedule.status if schedule else None)
        if schedule:
            self._on_change(_key(schedule))

    def put_pod(self, pod: Pod) -> None:
        """Store a Pod that may be an attempt unless a newer version is known."""
        job = self._runs.find_job(pod.job_uid, pod.namespace)
        is_candidate = job or self._runs.has_pod(pod) or (pod.job_uid and self._is_labelled(pod))
        if is_candidate and self._runs.put_pod(pod) and job:
            self._report_run(job)

    def remove_pod(self, pod: Pod) -> None:
        """Note that a Pod was deleted. Its last state stays for as long as its Job is a run."""
        job = self._runs.find_job(pod.job_uid, pod.namespace)
        if self._runs.remove_pod(pod) and job:
            self._report_run(job)

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
        self._store_cron_job(cron_job)

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
        key = _key(schedule)
        before = self._schedules.get(key)
        if not self._schedules.put(schedule):
            return False
        if before and before.uid != schedule.uid:
            self._forget(key)
        if before is None or before.uid != schedule.uid:
            cron_job = self._cron_jobs.get((schedule.namespace, cron_job_name(schedule.name)))
            if cron_job:
                self._note_owner(cron_job)
        elif notes := self._notes.get(key):
            for uid in notes.owners:
                self._runs.note_status(uid, before.status)
        if notes := self._notes.get(key):
            for uid in notes.owners:
                self._runs.note_status(uid, schedule.status)
        return True

    def _forget(self, key: Key) -> None:
        notes = self._notes.pop(key, None)
        for uid in notes.owners if notes else ():
            del self._owners[uid]
            self._runs.forget_owner(uid)

    def _store_cron_job(self, cron_job: CronJob) -> bool:
        if not self._cron_jobs.put(cron_job):
            return False
        self._note_owner(cron_job)
        return True

    def _note_owner(self, cron_job: CronJob) -> None:
        """Remember whose runs the Jobs of a CronJob are."""
        if cron_job.uid in self._owners:
            return
        for schedule in self._schedules.find(cron_job.owner_uid or cron_job.schedule_uid):
            if _is_cron_job_of(schedule, cron_job) and (notes := self._notes_of(_key(schedule))):
                notes.owners[cron_job.uid] = None
                self._owners[cron_job.uid] = _key(schedule)
                self._forget_former_owners(notes)

    def _forget_former_owners(self, notes: _Notes) -> None:
        for uid in tuple(notes.owners)[:-MAX_OWNERS]:
            if not self._runs.has_runs(uid):
                del notes.owners[uid], self._owners[uid]

    def _notes_of(self, key: Key) -> _Notes | None:
        if self._schedules.get(key) is None:
            return None
        return self._notes.setdefault(key, _Notes())

    def _is_needed(self, cron_job: CronJob) -> bool:
        """Return whether a CronJob is of a schedule that exists, or has the name of one."""
        uids = (cron_job.owner_uid, cron_job.schedule_uid)
        return self._schedules.get(_key(cron_job)) is not None or any(
            schedule.namespace == cron_job.namespace
            for uid in uids
            for schedule in self._schedules.find(uid)
        )

    def _may_be_run(self, job: Job) -> bool:
        if self._runs.find_job(job.uid, job.namespace):
            return True
        key = self._owners.get(job.owner_uid)
        if key:
            return key[0] == job.namespace
        return bool(job.owner_uid) and self._is_labelled(job)

    def _is_labelled(self, obj: Job | Pod) -> bool:
        """Return whether an object has the label of a schedule in its namespace."""
        schedules = self._schedules.find(obj.schedule_uid)
        return any(schedule.namespace == obj.namespace for schedule in schedules)

    def _schedule_of(self, job: Job) -> Key | None:
        """Return the key of the schedule whose run a Job is."""
        stored = self._runs.find_job(job.uid, job.namespace)
        return self._owners.get((stored or job).owner_uid)

    def _report_cron_job(self, cron_job: CronJob) -> None:
        """Report the schedule that the label names, and the one that needs the CronJob's name."""
        for schedule in self._schedules.find(cron_job.schedule_uid):
            self._on_change(_key(schedule))
        namesake = self._schedules.get(_key(cron_job))
        if namesake and namesake.uid != cron_job.schedule_uid:
            self._on_change(_key(namesake))

    def _report_run(self, job: Job) -> None:
        if key := self._schedule_of(job):
            self._on_change(key)


def _is_cron_job_of(schedule: Schedule, cron_job: CronJob) -> bool:
    has_name = cron_job_name(schedule.name) == cron_job.name
    return has_name and schedule.namespace == cron_job.namespace and cron_job.belongs_to(schedule)


_key: Callable[[Schedule | CronJob], Key] = attrgetter("namespace", "name")
