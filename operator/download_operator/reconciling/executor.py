"""Carry out actions against the API server, and put what it responds into the cache."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from download_kube import paths
from download_kube.client import METADATA_TYPE
from download_kube.errors import ApiError, UnreachableError
from download_operator.cache.cache import ClusterCache
from download_operator.cache.objects import (
    Job,
    Schedule,
    decode_job,
    decode_pod,
    parse_cron_job,
    parse_job,
    parse_schedule,
)
from download_operator.cache.snapshot import Key, Refusal, Snapshot
from download_operator.manifests.cron_job import DesiredState
from download_operator.manifests.cron_job_updates import (
    as_suspended,
    changes_firing_times,
    merge_into_current,
    with_last_schedule_time,
)
from download_operator.manifests.events import RUN_REFUSED, TICK_MISSED, build_warning
from download_operator.planning import conditions
from download_operator.planning.actions import (
    Action,
    CreateCronJob,
    ReadJobs,
    ReadPods,
    ReplaceCronJob,
    StartRun,
    StopRun,
    SuspendCronJob,
    WriteStatus,
)
from download_operator.planning.status import with_status
from download_operator.reconciling.requests import Accepted, Outcome, Rejected, Requests, Stale
from download_schedule.names import JOB_UID_LABEL, SCHEDULE_UID_LABEL, STOPPED
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

SUSPENSIONS_AT_ONCE: Final = 4
"""CronJobs that are suspended at the same time. Each is in memory as a whole, with whatever anybody
has written into it."""


class Executor:
    """Carries out one action at a time.

    Args:
        requests: the way to the API server.
        cache: takes the responses.
        clock: returns the time, with a time zone.
    """

    def __init__(
        self, requests: Requests, cache: ClusterCache, clock: Callable[[], datetime]
    ) -> None:
        self._requests = requests
        self._cache = cache
        self._clock = clock
        self._suspensions = asyncio.Semaphore(SUSPENSIONS_AT_ONCE)

    async def carry_out(self, action: Action, snapshot: Snapshot) -> None:
        """Carry out one action of a plan that was made from *snapshot*.

        Raises:
            ApiError, UnreachableError: try again later.
            LeaseLostError: another replica may hold the Lease.
        """
        schedule = snapshot.schedule
        match action:
            case CreateCronJob(desired):
                await self._create_cron_job(snapshot, desired)
            case ReplaceCronJob(desired):
                await self._replace_cron_job(snapshot, desired)
            case SuspendCronJob():
                await self._suspend_cron_job(schedule)
            case WriteStatus():
                await self._write_status(schedule, action)
            case ReadPods(jobs):
                for job in jobs:
                    await self._read_pods(schedule, job)
            case ReadJobs():
                await self._read_jobs(schedule)
            case StartRun(manifest):
                await self._start_run(snapshot, manifest)
            case StopRun(job):
                await self._stop_run(schedule, job)

    async def _create_cron_job(self, snapshot: Snapshot, desired: DesiredState) -> None:
        schedule = snapshot.schedule
        if "cronJobName" in schedule.status and not await self._is_current(schedule):
            # It had a CronJob. When a schedule is deleted, the event of its CronJob's deletion may
            # come before that of its own.
            return
        path = paths.collection(paths.BATCH, schedule.namespace, "cronjobs")
        match await self._requests.write("POST", path, desired.manifest, METADATA_TYPE):
            case Accepted(response):
                log.debug("%s/%s: created CronJob", *_key(schedule))
                self._cache.note_cron_job(
                    _key(schedule), desired.spec_hash, parse_cron_job(response)
                )
            case Stale(error) if error.already_exists:
                await self._adopt_cron_job(schedule, desired)
            case Stale(error):
                raise error
            case Rejected(error):
                self._note_refusal(schedule, desired, conditions.CRON_JOB_REFUSED, str(error))

    async def _adopt_cron_job(self, schedule: Schedule, desired: DesiredState) -> None:
        """Take the CronJob that has our name into the cache if it is ours after all."""
        cron_job = parse_cron_job(_response(await self._requests.read(_cron_job_path(schedule))))
        if cron_job.belongs_to(schedule):
            self._cache.put_cron_job(cron_job)
        else:
            ready = conditions.name_taken(cron_job.name, cron_job.owner_name)
            self._note_refusal(schedule, desired, ready.reason, ready.message)

    async def _replace_cron_job(self, snapshot: Snapshot, desired: DesiredState) -> None:
        schedule = snapshot.schedule
        match await self._merge_and_put(_cron_job_path(schedule), desired):
            case Accepted(response):
                log.info("%s/%s: replaced CronJob", *_key(schedule))
                self._cache.note_cron_job(
                    _key(schedule), desired.spec_hash, parse_cron_job(response)
                )
            case Stale(error) if error.is_not_found and snapshot.cron_job:
                self._cache.remove_cron_job(snapshot.cron_job)
            case Stale(error):
                raise error
            case Rejected(error):
                self._note_refusal(schedule, desired, conditions.CRON_JOB_REFUSED, str(error))

    async def _merge_and_put(self, path: str, desired: DesiredState) -> Outcome:
        """GET, merge, PUT: what others added stays, what they changed of ours does not."""
        outcome = await self._requests.read(path)
        if not isinstance(outcome, Accepted):
            return outcome
        _drop_template(outcome.response)
        if changes_firing_times(outcome.response["spec"], desired.manifest["spec"]):
            body = with_last_schedule_time(outcome.response, self._clock())
            outcome = await self._requests.write("PUT", f"{path}/status", body)
            if not isinstance(outcome, Accepted):
                return outcome
            _drop_template(outcome.response)
        body = merge_into_current(outcome.response, desired.manifest)
        return await self._requests.write("PUT", path, body, METADATA_TYPE)

    async def _suspend_cron_job(self, schedule: Schedule) -> None:
        path = _cron_job_path(schedule)
        async with self._suspensions:
            current = _response(await self._requests.read(path))
            outcome = await self._requests.write("PUT", path, as_suspended(current), METADATA_TYPE)
        cron_job = parse_cron_job(_response(outcome))
        log.info("%s/%s: suspended CronJob", *_key(schedule))
        self._cache.note_cron_job(_key(schedule), STOPPED, cron_job)

    async def _write_status(self, schedule: Schedule, action: WriteStatus) -> None:
        status = action.status
        path = f"{_schedule_path(schedule)}/status"
        match await self._requests.write("PUT", path, with_status(schedule, status), METADATA_TYPE):
            case Accepted(response):
                # The response need not repeat the status. It was accepted for the version that we
                # sent, so nothing else has changed; and the API server fills in no defaults.
                version = int(response["metadata"]["resourceVersion"])
                self._cache.note_schedule(
                    replace(schedule, resource_version=version, status=status)
                )
                if action.warning:
                    await self._publish_warning(schedule, TICK_MISSED, action.warning)
                if action.refusal:
                    await self._publish_warning(schedule, RUN_REFUSED, action.refusal)
            case Stale(error) if error.is_not_found:
                self._cache.remove_schedule(schedule)
            case Stale():
                await self._refresh(schedule)
            case Rejected(error):
                raise error

    async def _read_pods(self, schedule: Schedule, job: Job) -> None:
        path = paths.collection(paths.CORE, schedule.namespace, "pods")
        listed = self._requests.list_by_label(path, JOB_UID_LABEL, job.uid, decode_pod)
        self._cache.note_pods(job, [pod async for pod in listed if pod.job_uid == job.uid])

    async def _read_jobs(self, schedule: Schedule) -> None:
        listed_at = self._clock()
        path = paths.collection(paths.BATCH, schedule.namespace, "jobs")
        listed = self._requests.list_by_label(path, SCHEDULE_UID_LABEL, schedule.uid, decode_job)
        self._cache.note_jobs(_key(schedule), [job async for job in listed], listed_at)

    async def _start_run(self, snapshot: Snapshot, manifest: JSONObject) -> None:
        schedule = snapshot.schedule
        path = paths.collection(paths.BATCH, schedule.namespace, "jobs")
        match await self._requests.write("POST", path, manifest):
            case Accepted(response):
                log.info("%s/%s: started the requested run", *_key(schedule))
                self._cache.put_job(parse_job(response))
            case Stale(error) if error.already_exists:
                await self._adopt_job(snapshot, f"{path}/{manifest['metadata']['name']}", error)
            case Stale(error):
                raise error
            case Rejected(error):
                await self._publish_warning(schedule, RUN_REFUSED, str(error))
                raise error

    async def _adopt_job(self, snapshot: Snapshot, path: str, error: ApiError) -> None:
        """Take the Job that has the requested run's name into the cache if it is that run."""
        job = parse_job(_response(await self._requests.read(path)))
        if snapshot.cron_job is None or job.owner_uid != snapshot.cron_job.uid:
            raise error  # it belongs to somebody else
        self._cache.put_job(job)

    async def _stop_run(self, schedule: Schedule, job: Job) -> None:
        """Delete the Job and its Pods, unless it has ended or another Job has its name by now."""
        path = f"{paths.collection(paths.BATCH, schedule.namespace, 'jobs')}/{job.name}"
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": job.uid, "resourceVersion": str(job.resource_version)},
        }
        match await self._requests.write("DELETE", path, body):
            case Stale(error) if error.is_conflict:
                current = parse_job(_response(await self._requests.read(path)))
                if current.uid == job.uid:
                    self._cache.put_job(current)
                else:
                    self._cache.remove_job(job)
            case Accepted() | Stale():
                self._cache.remove_job(job)
            case Rejected(error):
                raise error

    async def _is_current(self, schedule: Schedule) -> bool:
        """Read the schedule again; return whether it is as we know it."""
        await self._refresh(schedule)
        snapshot = self._cache.snapshot(_key(schedule))
        return snapshot is not None and snapshot.schedule == schedule

    async def _refresh(self, schedule: Schedule) -> None:
        """Read the schedule now, instead of waiting for the event of somebody else's change."""
        match await self._requests.read(_schedule_path(schedule)):
            case Accepted(response):
                self._cache.put_schedule(parse_schedule(response))
            case Stale(error) if error.is_not_found:
                self._cache.remove_schedule(schedule)
            case Stale(error) | Rejected(error):
                raise error

    async def _publish_warning(self, schedule: Schedule, reason: str, note: str) -> None:
        """Create an Event. Nothing depends on it, so a failure is only logged."""
        path = paths.collection(paths.EVENTS, schedule.namespace, "events")
        event = build_warning(schedule, reason, note, self._clock())
        try:
            outcome = await self._requests.write("POST", path, event)
        except (ApiError, UnreachableError) as error:
            log.warning("%s/%s: cannot create an Event: %s", *_key(schedule), error)
            return
        if not isinstance(outcome, Accepted) and not outcome.error.already_exists:
            log.warning("%s/%s: cannot create an Event: %s", *_key(schedule), outcome.error)

    def _note_refusal(
        self, schedule: Schedule, desired: DesiredState, reason: str, message: str
    ) -> None:
        refusal = Refusal(desired.spec_hash, reason, message, self._clock())
        self._cache.note_refusal(_key(schedule), refusal)


def _drop_template(cron_job: JSONObject) -> None:
    """Forget what ours replaces: anybody who may edit the CronJob can make it large."""
    cron_job["spec"].pop("jobTemplate", None)


def _response(outcome: Outcome) -> JSONObject:
    """Return the response of a request whose failures all mean to try again later."""
    if isinstance(outcome, Accepted):
        return outcome.response
    raise outcome.error


def _key(schedule: Schedule) -> Key:
    return schedule.namespace, schedule.name


def _schedule_path(schedule: Schedule) -> str:
    return paths.schedule_path(schedule.namespace, schedule.name)


def _cron_job_path(schedule: Schedule) -> str:
    return paths.cron_job_path(schedule.namespace, schedule.name)
