"""Carry out what the plan says, one schedule at a time, until there is nothing left to do."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from download_operator import conditions
from download_operator.client import UNREACHABLE, ApiError, KubeClient
from download_operator.cron_job import Desired, desire
from download_operator.events import tick_missed
from download_operator.picture import Key, Picture, Refusal, Snapshot
from download_operator.plan import (
    CreateCronJob,
    ReadPods,
    ReplaceCronJob,
    Wait,
    WriteStatus,
    name_taken,
    plan,
)
from download_operator.settings import Settings
from download_operator.ticks import explain
from download_operator.views import Job, Schedule, cron_job_of, pod_of, schedule_of
from download_schedule.model import API_VERSION, GROUP, KIND, PLURAL, VERSION
from download_schedule.names import JOB_UID_LABEL, cron_job_name

log = logging.getLogger(__name__)

JSON = dict[str, Any]

ASK_AGAIN: Final = timedelta(seconds=60)
"""After the API server refused a CronJob: what it objects to (a quota, a name) may have gone."""
MAX_STEPS: Final = 10
"""A schedule needs two steps and rarely four; one that needs more waits for its next turn."""

_REFUSALS: Final = frozenset({400, 403, 422})


class Controller:
    """Reconciles schedules.

    Args:
        client: connection to the API server.
        picture: what is known; answers to our writes are taken into it.
        settings: what whoever installed the operator decided.
        clock: tells the time, with a time zone.
    """

    def __init__(
        self,
        client: KubeClient,
        picture: Picture,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._picture = picture
        self._settings = settings
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Bring one schedule up to date; return the seconds to wait before looking again.

        None where only an event can make a difference.

        Raises:
            ApiError, aiohttp.ClientError, TimeoutError, OSError: try again later.
        """
        wanted: tuple[int, Desired | ValueError] | None = None
        for _ in range(MAX_STEPS):
            snapshot = self._picture.snapshot(key)
            if snapshot is None:
                return None
            if wanted is None or wanted[0] != snapshot.schedule.resource_version:
                wanted = snapshot.schedule.resource_version, self._desire(snapshot.schedule)
            now = self._clock()
            match plan(snapshot, wanted[1], now):
                case Wait(until):
                    return (until - now).total_seconds() if until else None
                case CreateCronJob(desired):
                    await self._create(key, snapshot, desired)
                case ReplaceCronJob(desired):
                    await self._replace(key, snapshot, desired)
                case WriteStatus(status, missed):
                    written = await self._write_status(snapshot.schedule, status)
                    if written and missed:
                        await self._warn(snapshot.schedule, explain(missed, status["history"]))
                case ReadPods(job):
                    await self._read_pods(snapshot.schedule, job)
        log.warning("%s/%s is not settled after %d steps", *key, MAX_STEPS)
        return 1.0

    def _desire(self, schedule: Schedule) -> Desired | ValueError:
        try:
            return desire(schedule, self._settings)
        except ValueError as error:
            return error

    async def _create(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        if "cronJobName" in snapshot.schedule.status:
            # It had one. When a schedule is deleted, the news of the CronJob's end may come first.
            await self._refresh(snapshot.schedule)
            if self._picture.snapshot(key) is None:
                return
        path = _cron_jobs(snapshot.schedule.namespace)
        try:
            answer = await self._client.request("POST", path, desired.manifest)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                await self._adopt(key, snapshot, desired)
            elif error.status in _REFUSALS:
                self._refuse(key, desired, conditions.CRON_JOB_REFUSED, str(error))
            else:
                raise
        else:
            log.info("%s/%s: created CronJob", *key)
            self._picture.wrote_cron_job(key, cron_job_of(answer))

    async def _adopt(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        """The name is in use: take the CronJob into the picture if it is ours after all."""
        schedule = snapshot.schedule
        found = cron_job_of(await self._client.request("GET", _cron_job(schedule)))
        if found.owner == schedule.uid:
            self._picture.put_cron_job(found)
        else:
            verdict = name_taken(found.name, found.owner_name or "nobody")
            self._refuse(key, desired, verdict.reason, verdict.message)

    async def _replace(self, key: Key, snapshot: Snapshot, desired: Desired) -> None:
        """GET, merge, PUT: what others put beside ours stays, what they did to ours does not."""
        path = _cron_job(snapshot.schedule)
        try:
            current = await self._client.request("GET", path)
            if _fires_otherwise(current["spec"], desired.manifest["spec"]):
                current = await self._client.request("PUT", f"{path}/status", self._anew(current))
            answer = await self._client.request("PUT", path, _merged(current, desired.manifest))
        except ApiError as error:
            if error.status == 404 and snapshot.cron_job:
                self._picture.remove_cron_job(snapshot.cron_job)
            elif error.status in _REFUSALS:
                self._refuse(key, desired, conditions.CRON_JOB_REFUSED, str(error))
            else:
                raise
        else:
            log.info("%s/%s: replaced CronJob", *key)
            self._picture.wrote_cron_job(key, cron_job_of(answer))

    def _anew(self, cron_job: JSON) -> JSON:
        """Have the ticks of the past count as done: else the latest of them would fire at once.

        The CronJob controller looks for ticks since ``lastScheduleTime``, by the new expression.
        """
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**cron_job, "status": {**cron_job.get("status", {}), "lastScheduleTime": now}}

    async def _write_status(self, schedule: Schedule, status: JSON) -> bool:
        """Return whether it was written; if not, the picture is up to date again."""
        path = _schedule(schedule)
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "namespace": schedule.namespace,
                "name": schedule.name,
                "uid": schedule.uid,
                "resourceVersion": str(schedule.resource_version),
            },
            "spec": schedule.spec,
            "status": status,
        }
        try:
            answer = await self._client.request("PUT", f"{path}/status", body)
        except ApiError as error:
            if error.status == 409:
                await self._refresh(schedule)
            elif error.status == 404:
                self._picture.remove_schedule(schedule)
            else:
                raise
            return False
        self._picture.put_schedule(schedule_of(answer))
        return True

    async def _warn(self, schedule: Schedule, note: str) -> None:
        """Tell people by an Event; nothing depends on it."""
        path = f"/apis/events.k8s.io/v1/namespaces/{schedule.namespace}/events"
        try:
            await self._client.request("POST", path, tick_missed(schedule, note, self._clock()))
        except (ApiError, *UNREACHABLE) as error:
            log.warning("%s/%s: no Event: %s", schedule.namespace, schedule.name, error)

    async def _read_pods(self, schedule: Schedule, job: Job) -> None:
        query = {"labelSelector": f"{JOB_UID_LABEL}={job.uid}"}
        path = f"/api/v1/namespaces/{schedule.namespace}/pods"
        answer = await self._client.request("GET", path, query=query)
        self._picture.read_pods(job, map(pod_of, answer["items"]))

    async def _refresh(self, schedule: Schedule) -> None:
        """Somebody was faster; read what there is now instead of waiting for the event."""
        try:
            answer = await self._client.request("GET", _schedule(schedule))
        except ApiError as error:
            if error.status != 404:
                raise
            self._picture.remove_schedule(schedule)
        else:
            self._picture.put_schedule(schedule_of(answer))

    def _refuse(self, key: Key, desired: Desired, reason: str, message: str) -> None:
        until = self._clock() + ASK_AGAIN
        self._picture.refuse(key, Refusal(desired.spec_hash, reason, message, until))


def _schedule(schedule: Schedule) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{schedule.namespace}/{PLURAL}/{schedule.name}"


def _cron_jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/cronjobs"


def _cron_job(schedule: Schedule) -> str:
    return f"{_cron_jobs(schedule.namespace)}/{cron_job_name(schedule.name)}"


def _fires_otherwise(current: JSON, wanted: JSON) -> bool:
    return any(current.get(part) != wanted[part] for part in ("schedule", "timeZone", "suspend"))


def _merged(current: JSON, manifest: JSON) -> JSON:
    """Ours over theirs; the spec is ours alone."""
    theirs, ours = current["metadata"], manifest["metadata"]
    metadata = {
        **theirs,
        "labels": {**theirs.get("labels", {}), **ours["labels"]},
        "annotations": {**theirs.get("annotations", {}), **ours["annotations"]},
        "ownerReferences": ours["ownerReferences"],
    }
    return {**current, "metadata": metadata, "spec": manifest["spec"]}
