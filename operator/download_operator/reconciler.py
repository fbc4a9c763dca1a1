"""Carry out what the plan says, one schedule at a time, until there is nothing left to do."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from download_kube import paths
from download_kube.client import JSON_TYPE, METADATA_TYPE, ApiError, KubeClient, UnreachableError
from download_kube.lease import Lease
from download_operator.cache.cache import Key, Picture, Refusal, Snapshot
from download_operator.cache.objects import Job, Schedule, cron_job_of, job_of, pod_of, schedule_of
from download_operator.manifests.cron_job import Desired, desire
from download_operator.manifests.cron_job_updates import anew, fires_otherwise, merged, suspended
from download_operator.manifests.events import RUN_REFUSED, TICK_MISSED, warning
from download_operator.planning import conditions
from download_operator.planning.actions import (
    CreateCronJob,
    Deed,
    ReadJobs,
    ReadPods,
    ReplaceCronJob,
    StartRun,
    StopRun,
    SuspendCronJob,
    Wait,
    WriteStatus,
)
from download_operator.planning.missed_ticks import explain
from download_operator.planning.plan import name_taken, plan
from download_operator.settings import Settings
from download_schedule.model import API_VERSION, KIND
from download_schedule.names import JOB_UID_LABEL, SCHEDULE_UID_LABEL, STOPPED

log = logging.getLogger(__name__)

JSON = dict[str, Any]

LOOK_AGAIN: Final = 600.0
"""Seconds until the clock is asked again at the latest: no timer notices that it was set."""
MAX_STEPS: Final = 10
"""A schedule needs two steps and rarely four; one that needs more waits for its next turn."""
REMEMBERED: Final = 500
"""Schedules whose CronJob is kept in memory, of about 10 kB each."""

TRUSTED: Final = {"fieldValidation": "Ignore"}
"""Our bodies have no members to warn about; looking for some costs the API server CPU."""
_NO_REFUSALS: Final = frozenset({404, 408, 409, 429})
"""Answers about the moment, not about what was asked for."""


class UnsettledError(Exception):
    """What we do about a schedule does not bring it nearer to what it should be."""


class Controller:
    """Reconciles schedules.

    Args:
        client: connection to the API server.
        lease: what gives us the right to write.
        picture: what is known; answers to our writes are taken into it.
        settings: what whoever installed the operator decided.
        clock: tells the time, with a time zone.
    """

    def __init__(
        self,
        client: KubeClient,
        lease: Lease,
        picture: Picture,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._lease = lease
        self._picture = picture
        self._settings = settings
        self._clock = clock
        self._desired: dict[tuple[str, int], Desired | ValueError] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring one schedule up to date; return the seconds to wait before looking again.

        None where only an event can make a difference.

        Raises:
            ApiError, UnreachableError: try again later.
            UnsettledError: something undoes what we do.
        """
        refused: ApiError | None = None
        for _ in range(MAX_STEPS):
            snapshot = self._picture.snapshot(key)
            if snapshot is None:
                return None
            now = self._clock()
            desired = self._desire(snapshot.schedule)
            action = plan(snapshot, desired, now, may_start=refused is None)
            if isinstance(action, Wait):
                if refused:
                    raise refused
                return _seconds(action.until, now)
            try:
                await self._carry_out(action, key, snapshot)
            except ApiError as error:
                if not isinstance(action, StartRun | StopRun):
                    raise
                refused = error  # what became of the other runs is written all the same
        raise UnsettledError(f"not settled after {MAX_STEPS} steps")

    async def _carry_out(self, action: Deed, key: Key, snapshot: Snapshot) -> None:
        match action:
            case CreateCronJob(desired):
                await self._create(key, snapshot, desired)
            case ReplaceCronJob(desired):
                await self._replace(key, snapshot, desired)
            case SuspendCronJob():
                await self._suspend(key, snapshot.schedule)
            case WriteStatus(status, missed):
                await self._record(snapshot.schedule, status, missed)
            case ReadPods(jobs):
                for job in jobs:
                    await self._read_pods(snapshot.schedule, job)
            case ReadJobs():
                await self._read_jobs(key, snapshot.schedule)
            case StartRun(manifest):
                await self._start_run(key, snapshot.schedule, manifest)
            case StopRun(job):
                await self._stop_run(snapshot.schedule, job)

    def _desire(self, schedule: Schedule) -> Desired | ValueError:
        """Return what the schedule stands for; of those just asked about it is still known."""
        version = schedule.uid, schedule.generation
        if version not in self._desired:
            try:
                self._desired[version] = desire(schedule, self._settings)
            except ValueError as error:
                self._desired[version] = error
            if len(self._desired) > REMEMBERED:
                del self._desired[next(iter(self._desired))]
        return self._desired[version]

    async def _create(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        if "cronJobName" in snapshot.schedule.status:
            # It had one. When a schedule is deleted, the news of the CronJob's end may come first.
            await self._refresh(snapshot.schedule)
            now = self._picture.snapshot(key)
            if now is None or now.schedule != snapshot.schedule:
                return
        path = paths.collection(paths.BATCH, snapshot.schedule.namespace, "cronjobs")
        try:
            answer = await self._write("POST", path, desired.manifest, METADATA_TYPE)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                await self._adopt(key, snapshot, desired)
            elif _is_refusal(error):
                self._refuse(key, desired, conditions.CRON_JOB_REFUSED, str(error))
            else:
                raise
        else:
            log.debug("%s/%s: created CronJob", *key)
            self._picture.wrote_cron_job(key, desired.spec_hash, cron_job_of(answer))

    async def _adopt(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        """The name is in use: take the CronJob into the picture if it is ours after all."""
        schedule = snapshot.schedule
        found = cron_job_of(
            await self._client.request(
                "GET", paths.cron_job_path(schedule.namespace, schedule.name)
            )
        )
        if found.belongs_to(schedule):
            self._picture.put_cron_job(found)
        else:
            verdict = name_taken(found.name, found.owner_name or "nobody")
            self._refuse(key, desired, verdict.reason, verdict.message)

    async def _replace(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        """GET, merge, PUT: what others put beside ours stays, what they did to ours does not."""
        path = paths.cron_job_path(snapshot.schedule.namespace, snapshot.schedule.name)
        try:
            current = await self._client.request("GET", path)
            if fires_otherwise(current["spec"], desired.manifest["spec"]):
                current = await self._write("PUT", f"{path}/status", anew(current, self._clock()))
            body = merged(current, desired.manifest)
            answer = await self._write("PUT", path, body, METADATA_TYPE)
        except ApiError as error:
            if error.status == 404 and snapshot.cron_job:
                self._picture.remove_cron_job(snapshot.cron_job)
            elif _is_refusal(error):
                self._refuse(key, desired, conditions.CRON_JOB_REFUSED, str(error))
            else:
                raise
        else:
            log.info("%s/%s: replaced CronJob", *key)
            self._picture.wrote_cron_job(key, desired.spec_hash, cron_job_of(answer))

    async def _suspend(self, key: Key, schedule: Schedule) -> None:
        path = paths.cron_job_path(schedule.namespace, schedule.name)
        current = await self._client.request("GET", path)
        answer = await self._write("PUT", path, suspended(current), METADATA_TYPE)
        log.info("%s/%s: suspended CronJob", *key)
        self._picture.wrote_cron_job(key, STOPPED, cron_job_of(answer))

    async def _record(self, schedule: Schedule, status: JSON, missed: tuple[datetime, ...]) -> None:
        if await self._write_status(schedule, status) and missed:
            why = explain(missed, status.get("history", ()))
            await self._warn(schedule, TICK_MISSED, why)

    async def _write_status(self, schedule: Schedule, status: JSON) -> bool:
        """Return whether it was written; if not, the picture is up to date again.

        The answer need not repeat what was sent: the version that it had to have says that nothing
        else has changed, and nothing in the status has a default of the API server's.
        """
        path = paths.schedule_path(schedule.namespace, schedule.name)
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "namespace": schedule.namespace,
                "name": schedule.name,
                "uid": schedule.uid,
                "resourceVersion": str(schedule.resource_version),
            },
            "status": status,
        }
        try:
            answer = await self._write("PUT", f"{path}/status", body, METADATA_TYPE)
        except ApiError as error:
            if error.status == 409:
                await self._refresh(schedule)
            elif error.status == 404:
                self._picture.remove_schedule(schedule)
            else:
                raise
            return False
        version = int(answer["metadata"]["resourceVersion"])
        self._picture.wrote_schedule(replace(schedule, resource_version=version, status=status))
        return True

    async def _warn(self, schedule: Schedule, reason: str, note: str) -> None:
        """Tell people by an Event; nothing depends on it."""
        path = paths.collection(paths.EVENTS, schedule.namespace, "events")
        event = warning(schedule, reason, note, self._clock())
        try:
            await self._write("POST", path, event)
        except (ApiError, UnreachableError) as error:
            if not (isinstance(error, ApiError) and error.reason == "AlreadyExists"):
                log.warning("%s/%s: no Event: %s", schedule.namespace, schedule.name, error)

    async def _write(self, method: str, path: str, body: JSON, accept: str = JSON_TYPE) -> JSON:
        """Send what changes the cluster, if we still may."""
        self._lease.check()
        return await self._client.request(method, path, body, TRUSTED, accept)

    async def _read_pods(self, schedule: Schedule, job: Job) -> None:
        query = {"labelSelector": f"{JOB_UID_LABEL}={job.uid}"}
        path = paths.collection(paths.CORE, schedule.namespace, "pods")
        answer = await self._client.request("GET", path, query=query)
        self._picture.read_pods(job, map(pod_of, answer["items"]))

    async def _read_jobs(self, key: Key, schedule: Schedule) -> None:
        asked = self._clock()
        query = {"labelSelector": f"{SCHEDULE_UID_LABEL}={schedule.uid}"}
        path = paths.collection(paths.BATCH, schedule.namespace, "jobs")
        answer = await self._client.request("GET", path, query=query)
        self._picture.read_jobs(key, map(job_of, answer["items"]), asked)

    async def _start_run(self, key: Key, schedule: Schedule, manifest: JSON) -> None:
        path = paths.collection(paths.BATCH, schedule.namespace, "jobs")
        try:
            answer = await self._write("POST", path, manifest)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                name = manifest["metadata"]["name"]
                answer = await self._client.request("GET", f"{path}/{name}")
                if job_of(answer).schedule_uid != schedule.uid:
                    raise  # somebody else's, or a webhook has taken our label off
            elif _is_refusal(error):
                await self._warn(schedule, RUN_REFUSED, str(error))
                raise
            else:
                raise
        else:
            log.info("%s/%s: started the run asked for", *key)
        self._picture.put_job(job_of(answer))

    async def _stop_run(self, schedule: Schedule, job: Job) -> None:
        """Delete the Job and its Pods, but not one that ended meanwhile or another of its name."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": job.uid, "resourceVersion": str(job.resource_version)},
        }
        path = f"{paths.collection(paths.BATCH, schedule.namespace, 'jobs')}/{job.name}"
        try:
            await self._write("DELETE", path, body)
        except ApiError as error:
            if error.status == 409:
                found = job_of(await self._client.request("GET", path))
                if found.uid == job.uid:
                    self._picture.put_job(found)
                    return
            elif error.status != 404:
                raise
        self._picture.remove_job(job)

    async def _refresh(self, schedule: Schedule) -> None:
        """Somebody was faster; read what there is now instead of waiting for the event."""
        try:
            answer = await self._client.request(
                "GET", paths.schedule_path(schedule.namespace, schedule.name)
            )
        except ApiError as error:
            if error.status != 404:
                raise
            self._picture.remove_schedule(schedule)
        else:
            self._picture.put_schedule(schedule_of(answer))

    def _refuse(self, key: Key, desired: Desired, reason: str, message: str) -> None:
        refusal = Refusal(desired.spec_hash, reason, message, self._clock())
        self._picture.refuse(key, refusal)


def _is_refusal(error: ApiError) -> bool:
    """Whether somebody has to change something first.

    A webhook or a policy may answer with any status; for a webhook that is away it is 500.
    """
    if error.status >= 500:
        return "webhook" in str(error)
    return error.status not in _NO_REFUSALS


def _seconds(until: datetime | None, now: datetime) -> float | None:
    return min((until - now).total_seconds(), LOOK_AGAIN) if until else None
