"""The operator's picture of the cluster, kept up to date by events and by its own writes.

Everything here is memory: it can be lost at any moment and is read anew from the API server.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Final, TypeVar

from download_kube.reflector import KubeObject
from download_operator.cache.objects import CronJob, Job, Outcome, Pod, Schedule
from download_schedule.history import JOB_DELETED, counted
from download_schedule.names import cron_job_name
from download_schedule.timestamps import format_time

Seen = TypeVar("Seen", CronJob, Job, Pod)

Key = tuple[str, str]
"""Namespace and name of a schedule."""

REMEMBERED_DELETIONS: Final = 10_000
"""Answers to our own writes may arrive after the event of the object's deletion, not much later."""


@dataclass(slots=True)
class Run:
    """A Job with its Pods, kept until its end is in the schedule's status, even if deleted."""

    job: Job
    appeared: datetime
    """When we first heard of it, by our own clock."""
    ended: datetime | None = None
    """When we first heard that it is over, by our own clock."""
    deleted: bool = False
    pods_read: bool = False
    """Whether its Pods were asked for, because the news of them was late."""
    recorded: bool = False
    """Whether a status has counted it. The next need not say so: the leader that writes it may have
    heard before a standby that the Job is gone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API server did not take our CronJob."""

    spec_hash: str
    reason: str
    message: str
    since: datetime
    """When it was asked."""


@dataclass(frozen=True, slots=True)
class Written:
    """Our last write of a CronJob."""

    spec_hash: str
    """What was asked for; a webhook may have taken it off what the API server keeps."""
    time: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision about one schedule needs."""

    schedule: Schedule
    cron_job: CronJob | None
    expected_generation: int
    """Of the CronJob, as our last write left it; another one means that somebody edited it."""
    runs: tuple[tuple[Run, tuple[Pod, ...]], ...]
    refusal: Refusal | None
    written: Written | None
    working_since: datetime
    """Since when no Job escapes us."""
    jobs_listed: datetime
    """When its Jobs were last listed, by our own clock: what a watch tells may be late."""


@dataclass(slots=True)
class _Entry:
    schedule: Schedule
    expected_generation: int | None = None
    refusal: Refusal | None = None
    written: Written | None = None
    jobs_listed: datetime | None = None


@dataclass
class Picture:
    """What is known.

    Args:
        changed: called with the key of each schedule whose decision may now be another.
        clock: tells the time, with a time zone.
    """

    changed: Callable[[Key], None]
    clock: Callable[[], datetime]
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _keys: dict[str, Key] = field(default_factory=dict)
    _cron_jobs: dict[Key, CronJob] = field(default_factory=dict)
    _runs: dict[str, dict[str, Run]] = field(default_factory=dict)
    _pods: dict[str, dict[str, Pod]] = field(default_factory=dict)
    _deletions: dict[str, int] = field(default_factory=dict)
    _working_since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Note that the picture is complete and work begins: what is older may have escaped us."""
        self._working_since = self.clock()

    def schedules(self) -> Iterator[Schedule]:
        """Go through all schedules."""
        return (entry.schedule for entry in self._entries.values())

    def cron_jobs(self) -> Iterator[CronJob]:
        """Go through all CronJobs."""
        return iter(self._cron_jobs.values())

    def jobs(self) -> Iterator[Job]:
        """Go through all Jobs that are not deleted."""
        return (run.job for runs in self._runs.values() for run in runs.values() if not run.deleted)

    def pods(self) -> Iterator[Pod]:
        """Go through all Pods, with those deleted that were attempts of a run."""
        return chain.from_iterable(pods.values() for pods in self._pods.values())

    def snapshot(self, key: Key) -> Snapshot | None:
        """Return what is known about one schedule, or None if it does not exist."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        schedule = entry.schedule
        home = schedule.namespace  # what says in another one that it is ours is not
        expected = entry.expected_generation or schedule.status.get("cronJobGeneration") or 1
        return Snapshot(
            schedule=schedule,
            cron_job=self._cron_jobs.get((schedule.namespace, cron_job_name(schedule.name))),
            expected_generation=expected,
            runs=tuple(
                (
                    run,
                    tuple(pod for pod in self._pods.get(uid, {}).values() if pod.namespace == home),
                )
                for uid, run in self._runs.get(schedule.uid, {}).items()
                if run.job.namespace == home
            ),
            refusal=entry.refusal,
            written=entry.written,
            working_since=self._working_since,
            jobs_listed=max(entry.jobs_listed or self._working_since, self._working_since),
        )

    def put_schedule(self, schedule: Schedule) -> None:
        """Take in a schedule, unless something newer is known."""
        if self._take_schedule(schedule):
            self.changed((schedule.namespace, schedule.name))

    def wrote_schedule(self, schedule: Schedule) -> None:
        """Take in what the API server answered to our own write: whoever wrote looks again."""
        self._take_schedule(schedule)

    def _take_schedule(self, schedule: Schedule) -> bool:
        key = (schedule.namespace, schedule.name)
        entry = self._entries.get(key)
        if self._is_deleted(schedule) or (
            entry and entry.schedule.resource_version >= schedule.resource_version
        ):
            return False
        if entry and entry.schedule.uid == schedule.uid:
            self._drop_recorded(entry.schedule)
            entry.schedule = schedule
        else:
            if entry:
                self.remove_schedule(entry.schedule)
            self._entries[key] = _Entry(schedule)
            self._keys[schedule.uid] = key
        self._drop_recorded(schedule)
        return True

    def remove_schedule(self, schedule: Schedule) -> None:
        """Forget a schedule; its CronJob, Jobs and Pods follow by events of their own.

        Those that came before it, as at a foreground deletion, have nobody to wait for any more.
        """
        self._remember_deletion(schedule)
        for uid in [uid for uid, run in self._runs.get(schedule.uid, {}).items() if run.deleted]:
            self._drop_run(schedule.uid, uid)
        key = self._keys.pop(schedule.uid, None)
        if key and self._entries[key].schedule.uid == schedule.uid:
            del self._entries[key]
            self.changed(key)

    def put_cron_job(self, cron_job: CronJob) -> None:
        """Take in a CronJob, unless something newer is known."""
        if self._take_cron_job(cron_job):
            self._cron_job_changed(cron_job)

    def wrote_cron_job(self, key: Key, spec_hash: str, cron_job: CronJob) -> None:
        """Take in what the API server answered to our own write of a schedule's CronJob."""
        if entry := self._entries.get(key):
            entry.expected_generation = cron_job.generation
            entry.refusal = None
            entry.written = Written(spec_hash, self.clock())
        self._take_cron_job(cron_job)

    def _take_cron_job(self, cron_job: CronJob) -> bool:
        key = (cron_job.namespace, cron_job.name)
        known = self._cron_jobs.get(key)
        if self._is_deleted(cron_job) or (
            known and known.resource_version >= cron_job.resource_version
        ):
            return False
        self._cron_jobs[key] = cron_job
        return not _says_the_same(known, cron_job)

    def remove_cron_job(self, cron_job: CronJob) -> None:
        """Forget a CronJob."""
        self._remember_deletion(cron_job)
        key = (cron_job.namespace, cron_job.name)
        known = self._cron_jobs.get(key)
        if known and known.uid == cron_job.uid:
            del self._cron_jobs[key]
            for owner in (self._keys.get(cron_job.owner), key):
                if owner and owner in self._entries:
                    self._entries[owner].expected_generation = None
        self._cron_job_changed(cron_job)

    def refuse(self, key: Key, refusal: Refusal) -> None:
        """Remember that the API server did not take a schedule's CronJob."""
        if entry := self._entries.get(key):
            entry.refusal = refusal

    def put_job(self, job: Job) -> None:
        """Take in a Job, unless something newer is known."""
        runs = self._runs.setdefault(job.schedule_uid, {})
        run = runs.get(job.uid)
        if run and run.job.resource_version >= job.resource_version:
            return
        now = self.clock()
        known = run.job if run else None
        if run is None:
            run = runs[job.uid] = Run(job, appeared=now)
        run.job = job
        if job.outcome and run.ended is None:
            run.ended = now
        if not _says_the_same(known, job):
            self._changed_by_uid(job.schedule_uid)

    def read_jobs(self, key: Key, jobs: Iterable[Job], asked: datetime) -> None:
        """Take in all that the API server had of a schedule's Jobs when it was *asked*."""
        for job in jobs:
            self.put_job(job)
        if entry := self._entries.get(key):
            entry.jobs_listed = asked

    def remove_job(self, job: Job) -> None:
        """Mark a Job as deleted; it stays until its end is in the schedule's status."""
        self.put_job(job)
        run = self._runs[job.schedule_uid][job.uid]
        run.deleted = True
        now = self.clock()
        run.ended = run.ended or now
        if run.job.outcome is None:
            run.job = replace(run.job, outcome=_deleted(now))
        key = self._keys.get(job.schedule_uid)
        if key is None or key[0] != job.namespace:
            self._drop_run(job.schedule_uid, job.uid)
        else:
            self._drop_recorded(self._entries[key].schedule)
            self.changed(key)

    def put_pod(self, pod: Pod) -> None:
        """Take in a Pod, unless something newer is known."""
        pods = self._pods.setdefault(pod.job_uid, {})
        known = pods.get(pod.uid)
        if known and known.resource_version >= pod.resource_version:
            return
        pods[pod.uid] = pod
        if not _says_the_same(known, pod):
            self._changed_by_uid(pod.schedule_uid)

    def read_pods(self, job: Job, pods: Iterable[Pod]) -> None:
        """Take in all that the API server has of a Job's Pods: no more news is to come."""
        for pod in pods:
            self.put_pod(pod)
        if run := self._runs.get(job.schedule_uid, {}).get(job.uid):
            run.pods_read = True

    def remove_pod(self, pod: Pod) -> None:
        """Note a Pod's last state; it is an attempt for as long as its Job is a run."""
        if pod.job_uid in self._runs.get(pod.schedule_uid, {}):
            self.put_pod(pod)
            return
        pods = self._pods.get(pod.job_uid, {})
        pods.pop(pod.uid, None)
        if not pods:
            self._pods.pop(pod.job_uid, None)

    def _drop_recorded(self, schedule: Schedule) -> None:
        runs = self._runs.get(schedule.uid, {})
        for uid in counted(schedule.status).intersection(runs):
            runs[uid].recorded = True
        for uid in [uid for uid, run in runs.items() if run.deleted and run.recorded]:
            self._drop_run(schedule.uid, uid)

    def _drop_run(self, schedule_uid: str, job_uid: str) -> None:
        runs = self._runs[schedule_uid]
        del runs[job_uid]
        if not runs:
            del self._runs[schedule_uid]
        self._pods.pop(job_uid, None)

    def _cron_job_changed(self, cron_job: CronJob) -> None:
        self._changed_by_uid(cron_job.schedule_uid)
        same_name = (cron_job.namespace, cron_job.name)
        if same_name in self._entries and same_name != self._keys.get(cron_job.schedule_uid):
            self.changed(same_name)

    def _changed_by_uid(self, schedule_uid: str) -> None:
        if key := self._keys.get(schedule_uid):
            self.changed(key)

    def _remember_deletion(self, view: KubeObject) -> None:
        self._deletions[view.uid] = view.resource_version
        if len(self._deletions) > REMEMBERED_DELETIONS:
            del self._deletions[next(iter(self._deletions))]

    def _is_deleted(self, view: KubeObject) -> bool:
        """Whether *view* is older than the object's deletion.

        What only lost its label counts as deleted for the watch, and may come back as it is.
        """
        return view.resource_version < self._deletions.get(view.uid, 0)


def _says_the_same(known: Seen | None, seen: Seen) -> bool:
    """Whether nothing that we look at has changed: most events are about something else."""
    return known is not None and replace(seen, resource_version=known.resource_version) == known


def _deleted(now: datetime) -> Outcome:
    return Outcome(
        completed=False,
        time=format_time(now),
        reason=JOB_DELETED,
        message="The Job was deleted before it was over.",
    )
